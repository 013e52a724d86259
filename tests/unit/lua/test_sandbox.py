# SPDX-License-Identifier: Apache-2.0
"""A plugin reaches Stellar's libraries and a small part of Lua's, and nothing behind them."""

from collections.abc import Callable

import pytest

from stellar.lua import LuaError, LuaPlugin

Load = Callable[..., LuaPlugin]

LEAST = 'return { name = "a", version = "1", on = { session_packet = function() end } }'


@pytest.mark.parametrize(
    "name",
    [
        "io", "os", "debug", "ffi", "jit", "package", "load", "loadstring", "loadfile", "dofile",
        "collectgarbage", "getfenv", "setfenv", "newproxy", "module", "print", "coroutine",
        "python", "next", "gcinfo", "_G",
    ],
)  # fmt: skip
def test_name_outside_of_the_sandbox_is_an_error(load: Load, name: str) -> None:
    with pytest.raises(LuaError, match=f"plugin.lua:1: {name} is not available in a plugin"):
        load(f"local found = {name}\n{LEAST}")


@pytest.mark.parametrize(
    "attempt",
    [
        'require("ffi")',
        'require("os")',
        'require("stellar.context")',
        "colour = 5",
        'require("stellar").DROP = 0',
        'local verdict = require("stellar").DORP',
        'string.rep("x", 2^21)',
        'local text = ("x"):rep(2^21)',
        'string.format("%p", {})',
        'string.format("%%%p", {})',
        'setmetatable(require("stellar"), {})',
        'getmetatable("").__index.rep = nil',
        "for _ in pairs({ [{}] = 1 }) do end",
        "string.dump(pcall)()",
        'require("stellar.stats").counter("Name")',
        'require("stellar.stats").counter("name"):add(1)',
        'require("stellar.log").info(5)',
    ],
)
def test_way_out_of_the_sandbox_is_an_error(load: Load, attempt: str) -> None:
    with pytest.raises(LuaError, match="plugin.lua:1: "):
        load(f"{attempt}\n{LEAST}")


@pytest.mark.parametrize(
    "truth",
    [
        'getmetatable("") == false',
        'getmetatable(require("stellar")) == false',
        "string.dump == nil",
        "math.randomseed == nil",
        'tostring({}) == "table"',
        'tostring(pcall) == "function"',
        'string.format("%s %d%%", {}, 5) == "table 5%"',
        'tostring(setmetatable({}, { __tostring = function() return "own" end })) == "own"',
        '("ab"):rep(2, "-") == "ab-ab"',
        "bit.band(6, 3) == 2",
        "select('#', pcall(error)) == 2",
    ],
)
def test_what_is_left_works_and_tells_no_address(load: Load, truth: str) -> None:
    load(f"assert({truth})\n{LEAST}")


def test_pairs_goes_in_the_order_of_keys(load: Load) -> None:
    load(
        f"""
        local text = ""
        for key, value in pairs({{ pear = 1, apple = 2, [3] = 3, fig = 4, [1] = 5 }}) do
            text = text .. key .. "=" .. value .. " "
        end
        assert(text == "1=5 3=3 apple=2 fig=4 pear=1 ", text)
        {LEAST}"""
    )


def test_changed_library_of_a_plugin_is_its_own_affair(load: Load) -> None:
    load(
        f"""
        string.format = nil
        string.match = function() error("poisoned") end
        table.sort = nil
        table.concat = nil
        {LEAST}"""
    )


def test_memory_beyond_the_budget_is_refused_while_loading(load: Load) -> None:
    with pytest.raises(LuaError, match="not enough memory"):
        load(
            f"local all = {{}} for i = 1, 1e7 do all[i] = {{ i }} end {LEAST}",
            memory_bytes=4 << 20,
        )
