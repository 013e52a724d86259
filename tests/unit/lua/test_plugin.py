# SPDX-License-Identifier: Apache-2.0
"""What a plugin file says is read; a wrong one is refused with its place, expected and found."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stellar.engine.plugins import LIBRARY
from stellar.lua import LuaError, LuaPlugin, load_plugin

Load = Callable[..., LuaPlugin]

WHOLE = """
local stellar = require("stellar")
return {
    name = "gate", version = "1.2", before = { "logger" }, after = { "firewall", "ids" },
    fail = "open", context = { seen = "bool", count = "uint64" },
    on = {
        session_opening = function() return stellar.PASS end,
        session_closing = function() end,
    },
}
"""


def described(**fields: str) -> str:
    """A plugin file with these fields instead of the least that is right."""
    least = {"name": '"gate"', "version": '"1"', "on": "{ session_packet = function() end }"}
    pairs = (f"{name} = {value}" for name, value in {**least, **fields}.items() if value)
    return f"return {{ {', '.join(pairs)} }}"


def test_whole_plugin_is_described(load: Load) -> None:
    plugin = load(WHOLE, workers=3)

    assert (plugin.name, plugin.version, plugin.fail_open) == ("gate", "1.2", True)
    assert plugin.events == ("session_closing", "session_opening")
    assert (plugin.before, plugin.after) == (("logger",), ("firewall", "ids"))
    assert plugin.context_size == 16


def test_each_worker_has_a_function_of_its_own(load: Load) -> None:
    plugin = load(WHOLE, workers=3)

    assert len({entry["deliver"] for entry in plugin.entries}) == 3
    assert plugin.load_entry not in (0, *plugin.entries)


def test_least_plugin_has_no_context_and_fails_closed(load: Load) -> None:
    plugin = load(described())

    assert (plugin.context_size, plugin.fail_open, plugin.before) == (0, False, ())


NAME = "name: expected a name of a-z, 0-9 and _, found"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("return 5", "expected a plugin that returns a table, found number"),
        ("", "expected a plugin that returns a table, found nil"),
        (described(name=""), f"{NAME} nil"),
        (described(name='"Gate"'), f"{NAME} Gate"),
        (described(name='("x"):rep(64)'), f"{NAME} {'x' * 64}"),
        (described(version=""), "version: expected 1 to 31 bytes, found nil"),
        (described(version="7"), "version: expected a string, found number"),
        (described(colour='"red"'), r"expected a plugin's field \(.*\), found colour"),
        (described(fail='"ajar"'), "fail: expected open or closed, found ajar"),
        (described(before='"x"'), "before: expected a table, found string"),
        (described(before="{ a = 1 }"), "before: expected a list of names, found other keys"),
        (described(after='{ "Ids" }'), "after: expected a name of a-z, 0-9 and _, found Ids"),
        (described(on=""), "on: expected a table, found nil"),
        (described(on="{}"), "on: expected at least one event, found none"),
        (described(on="{ packet = pcall }"), "on: expected an event, found packet"),
        (described(on="{ timer = 1 }"), "on.timer: expected a function, found number"),
        (described(context="{}"), "context: expected 1 to 64 fields, found 0"),
        (described(context='{ a = "text" }'), "context.a: expected bool, double, .*, found text"),
        (described(context='{ ["a b"] = "bool" }'), "context: expected a field's name of .*"),
        ("local = 5", "1: .*expected near '='"),
        ("\n\nerror('no luck')", "3: no luck"),
        ("error({})", "table"),
        ("local function f() return f() + 1 end f()", "1: calls are nested more than 200 deep"),
        (
            f"local function f(...) return 1 + f({'0, ' * 99} ...) end f()",
            "stack overflow",  # of LuaJIT, without a place
        ),
    ],
)
def test_wrong_plugin_is_refused(load: Load, source: str, complaint: str) -> None:
    with pytest.raises(LuaError) as refused:
        load(source)

    assert re.search(rf"/plugin\.lua: ?{complaint}$", str(refused.value)), refused.value
    assert "\n" not in str(refused.value)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LuaError, match="absent.lua: expected a readable file, found: No such"):
        load_plugin(tmp_path / "absent.lua", library=LIBRARY, workers=1)


def test_bytecode_is_refused(load: Load) -> None:
    with pytest.raises(LuaError, match="expected Lua source, found bytecode"):
        load(b"\x1bLJ\x02\x08")


def test_source_beyond_its_limit_is_refused(load: Load) -> None:
    with pytest.raises(LuaError, match="expected at most 1048576 bytes, found 1048577"):
        load(b" " * 1048577)


CONFIG = """{
    ports = { type = "integer", default = 2, range = { 1, 10 } },
    name = { type = "string", required = true },
    loud = { type = "boolean" },
}"""
CONFIGURE = """function(config)
    error(("%s %s %s"):format(config.ports, config.name, tostring(config.loud)), 0)
end"""


def test_settings_reach_configure_with_defaults(load: Load) -> None:
    with pytest.raises(LuaError, match="plugin.lua: 2 front nil$"):
        load(described(config=CONFIG, configure=CONFIGURE), settings={"name": "front"})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("boolean", "true", "boolean true"),
        ("boolean", "false", "boolean false"),
        ("integer", "-5", "number -5"),
        ("number", "2.5e1", "number 25"),
        ("string", "7", "string 7"),
        ("string", "", "string "),
        ("string", "caf\u00e9", "string caf\u00e9"),
    ],
)
def test_text_is_read_as_the_declared_type(load: Load, kind: str, text: str, value: str) -> None:
    config = f'{{ it = {{ type = "{kind}" }} }}'
    configure = 'function(config) error(type(config.it) .. " " .. tostring(config.it), 0) end'

    with pytest.raises(LuaError, match=f"plugin.lua: {value}$"):
        load(described(config=config, configure=configure), settings={"it": text})


def test_settings_given_by_name_are_those_of_the_plugin(load: Load) -> None:
    given = {"gate": {"name": "front"}, "other": {"name": "back"}}

    with pytest.raises(LuaError, match="plugin.lua: 3 front nil$"):
        load(
            described(config=CONFIG, configure=CONFIGURE),
            settings={"ports": "3"},
            settings_by_name=given,
        )
    with pytest.raises(LuaError, match="config.name: expected a value once, found another$"):
        load(described(config=CONFIG), settings={"name": "a"}, settings_by_name=given)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "name: expected a value, found none"),
        ({"name": 4}, "name: expected a value of type string, found number"),
        ({"name": "a", "ports": 11}, "ports: expected 1 to 10, found 11"),
        ({"name": "a", "ports": 1.5}, "ports: expected a value of type integer, found number"),
        ({"name": "a", "ports": "2.0"}, "ports: expected a value of type integer, found 2.0"),
        ({"name": "a", "ports": "0x2"}, "ports: expected a value of type integer, found 0x2"),
        ({"name": "a", "ports": "1" * 16}, "ports: expected a value of type integer, found 1{16}"),
        ({"name": "a", "ports": "11"}, "ports: expected 1 to 10, found 11"),
        ({"name": "a", "loud": "yes"}, "loud: expected a value of type boolean, found yes"),
        (
            {"name": "a", "port": 1},
            r"port: expected a declared key \(loud, name, ports\), found another",
        ),
    ],
)
def test_wrong_setting_is_refused(
    load: Load, settings: dict[str, bool | float | str], complaint: str
) -> None:
    with pytest.raises(LuaError, match=f"plugin.lua: config.{complaint}$"):
        load(described(config=CONFIG), settings=settings)


@pytest.mark.parametrize(
    "config",
    [
        '{ a = "string" }',
        '{ a = { type = "list" } }',
        '{ a = { type = "string", size = 3 } }',
        '{ a = { type = "string", range = { 1, 2 } } }',
        '{ a = { type = "integer", default = "x" } }',
        '{ A = { type = "string" } }',
    ],
)
def test_wrong_declaration_of_a_setting_is_refused(load: Load, config: str) -> None:
    with pytest.raises(LuaError, match=r"plugin\.lua: config\.[aA]: expected "):
        load(described(config=config))


def test_setting_of_any_text_is_described(load: Load) -> None:
    plugin = load(described(config='{ a = { type = "string", default = "x\u2028y\\nz" } }'))

    assert plugin.settings == (("a", "string", "x\u2028y z", False),)


def test_what_was_checked_stays_as_it_was(load: Load) -> None:
    plugin = load(
        """
        local reads = 0
        local whole
        whole = setmetatable({
            name = "gate", version = "1", before = { "logger" },
            config = { a = { type = "string" } }, on = { session_packet = function() end },
            configure = function()
                whole.on.packet, whole.name, whole.before[1] = 5, "A B", "C D"
                whole.config["b\\tc\\nd"] = {}
            end,
        }, { __index = function() reads = reads + 1 return reads > 1 and {} or nil end })
        return whole"""
    )

    assert (plugin.name, plugin.before, plugin.events) == ("gate", ("logger",), ("session_packet",))
    assert plugin.settings == (("a", "string", "", False),)
