# SPDX-License-Identifier: Apache-2.0
"""The time budget of a call: what it costs, what it ends, and that nothing gets round it."""

from collections.abc import Callable
from typing import Any

import pytest

from stellar.lua import LuaError

Drive = Callable[..., Any]

ERRORS_MAX = 16  # STELLAR_PLUGIN_ERRORS_MAX
USED_UP = "its time budget of 100000 steps is used up"


def plugin(body: str, *, fields: str = "") -> str:
    """A plugin with one handler; its body begins in line 2."""
    return f"""return {{ name = "probe", version = "1", {fields} on = {{ session_packet = function()
{body} end }} }}"""


def test_call_that_never_ends_is_ended_and_told(drive: Drive) -> None:
    outcome = drive(plugin("local n = 0\nwhile true do n = n + 1 end"))

    assert outcome.stats["errors"] == ERRORS_MAX
    assert not outcome.stats["enabled"]
    assert outcome.plugin.first_failure().endswith(f"plugin.lua:3: {USED_UP}")
    assert outcome.plugin.late_calls() == 0


@pytest.mark.parametrize("steps", [1000, 20000, 100000])
def test_budget_is_what_the_plugin_asks_for(drive: Drive, steps: int) -> None:
    fits = plugin(f"for _ = 1, {steps - 1} do end", fields=f"budget = {steps},")
    exceeds = plugin(f"for _ = 1, {steps} do end", fields=f"budget = {steps},")

    assert drive(fits).plugin.first_failure() is None
    assert f"its time budget of {steps} steps is used up" in drive(exceeds).plugin.first_failure()


@pytest.mark.parametrize("budget", ["999", "1000001", "0/0", "-1", '"many"'])
def test_budget_out_of_range_is_refused(load: Callable[..., Any], budget: str) -> None:
    with pytest.raises(LuaError, match="budget: expected "):
        load(plugin("", fields=f"budget = {budget},"))


def test_each_call_has_a_budget_of_its_own(drive: Drive) -> None:
    outcome = drive(plugin("for _ = 1, 90000 do end"))

    assert outcome.stats["errors"] == 0
    assert outcome.stats["calls"] == 43


@pytest.mark.parametrize(
    "body",
    [
        "pcall(function() while true do end end)",
        "while true do pcall(function() while true do end end) end",
        "xpcall(function() while true do end end, function() return 'caught' end)",
        "xpcall(function() while true do end end, function() while true do end end)",
        "local done, problem = pcall(function() while true do end end) error(problem)",
    ],
)
def test_pcall_does_not_stop_the_end_of_a_call(drive: Drive, body: str) -> None:
    outcome = drive(plugin(body))

    assert USED_UP in outcome.plugin.first_failure()
    assert outcome.stats["errors"] == ERRORS_MAX


@pytest.mark.parametrize(
    "text", [f'"{USED_UP}"', "{}", "nil", "setmetatable({}, { __eq = function() return true end })"]
)
def test_error_of_a_plugin_is_not_taken_for_the_budget_s(drive: Drive, text: str) -> None:
    outcome = drive(plugin(f"assert(not pcall(error, {text}))"))

    assert outcome.plugin.first_failure() is None


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("while true do end", 1),
        ("\n\nlocal function f() f() return f() end f()", 3),
        ("\nlocal text = 'a' for i = 1, 1e9 do text = 'a' .. i end", 2),
    ],
)
def test_loading_has_an_end(load: Callable[..., Any], head: str, line: int) -> None:
    complaint = "(its time budget of|calls are nested)"
    with pytest.raises(LuaError, match=f"plugin.lua:{line}: {complaint}"):
        load(f"{head}\n{plugin('')}")


def test_configure_has_an_end(load: Callable[..., Any]) -> None:
    with pytest.raises(LuaError, match="plugin.lua:1: its time budget of 10000000 steps is used"):
        load(plugin("", fields="configure = function() repeat until false end,"))


def test_steps_are_the_same_in_each_run_compiled_or_not(drive: Drive) -> None:
    # A bound that depends on luck would let different numbers of calls through.
    body = """
        counted:add()
        local text = ""
        for i = 1, 600 do
            text = text .. i
            if #text:rep(3):gsub("%d", "x") > 4500 then counted:add() end
        end"""
    source = 'local counted = require("stellar.stats").counter("counted")\n' + plugin(body)

    outcomes = [drive(source) for _ in range(3)]

    first = outcomes[0]
    assert first.counters["counted"] > 0
    assert [o.counters for o in outcomes] == [first.counters] * 3
    assert [o.stats["errors"] for o in outcomes] == [ERRORS_MAX] * 3
    assert [o.plugin.first_failure() for o in outcomes] == [first.plugin.first_failure()] * 3


@pytest.mark.parametrize(
    "body",
    [
        'local t = {} for i = 1, 100 do t[i] = ("x"):rep(100) end return #table.concat(t) ~= 10000',
        'return ("a,b,c"):gsub(",", ";") ~= "a;b;c"',
        'local t = { 3, 1, 2 } table.sort(t) return table.concat(t) ~= "123"',
        'local n = 0 for k in pairs({ a = 1, b = 2 }) do n = n + 1 end return n ~= 2',
        'local t = {} for i = 1, 2000 do t[i] = 2000 - i end table.sort(t) return t[1] ~= 0',
        'local n, s = 0, ("x"):rep(60000) for i = 1, #s do n = n + #s:sub(i, i) end'
        " return n ~= 60000",
        'return #(("GET / HTTP/1.1\\r\\n"):rep(1000):match("^(%S+) .*\\r\\n$")) ~= 3',
    ],
)  # fmt: skip
def test_honest_work_is_within_the_budget(drive: Drive, body: str) -> None:
    outcome = drive(plugin(f"if (function() {body} end)() then error('wrong') end"))

    assert outcome.plugin.first_failure() is None
