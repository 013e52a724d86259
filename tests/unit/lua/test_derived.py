# SPDX-License-Identifier: Apache-2.0
"""Derived events of Lua plugins: raised, heard, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stellar.engine import PluginError, StellarError
from stellar.engine.plugins import describe_plugin
from stellar.engine.replay import ReplayOptions, run
from stellar.lua import LuaError, LuaPlugin

Load = Callable[..., LuaPlugin]

GATE = """
return {{ name = "gate", version = "1", raises = {{ "left", "knocked" }}, on = {{
    udp_data = function(session, packet, event)
        {body}
    end,
}} }}"""
PORTER = """
return { name = "porter", version = "1", hears = { "gate.knocked" }, on = {
    ["gate.knocked"] = function(session, packet, event)
        session:log("info", event:name() .. " " .. event:data() .. " " .. packet:source_port())
    end,
    ["nobody.came"] = function() error("nobody comes") end,
} }"""
GUEST = """
return { name = "guest", version = "1", on = { ["gate.left"] = function(session, packet, event)
    session:log("info", event:name() .. " " .. event:length())
end } }"""
SILENT = 'return { name = "gate", version = "1", on = { udp_data = function() end } }'


@pytest.fixture
def told(tmp_path: Path, capture: Path) -> Callable[..., list[str]]:
    """Runs plugins; what they logged, in order. None of them may fail."""

    def run_plugins(*sources: str, **options: Any) -> list[str]:
        paths = [tmp_path / f"plugin{i}.lua" for i in range(len(sources))]
        for path, source in zip(paths, sources, strict=True):
            path.write_text(source)
        events = tmp_path / "events.json"
        result = run(
            ReplayOptions(captures=[capture], plugins=paths, events=str(events), **options)
        )
        assert [plugin["errors"] for plugin in result.stats["plugins"]] == [0] * len(paths)
        lines = [json.loads(line) for line in events.read_bytes().splitlines()]
        return [line["plugin"]["text"] for line in lines if line["event_type"] == "plugin"]

    return run_plugins


@pytest.mark.parametrize("options", [{"burst_size": 1}, {"burst_size": 64}, {"workers": 3}])
def test_event_is_heard_by_its_name_with_its_bytes(
    told: Callable[..., list[str]], options: dict[str, int]
) -> None:
    body = """
    if packet:source_port() == 1003 then
        assert(session:raise("knocked", "3\\0") == true)
        assert(session:raise("left"))
    end"""

    lines = told(GATE.format(body=body), PORTER, GUEST, **options)

    assert lines == ["gate.knocked 3\0 1003", "gate.left 0"]


def test_event_that_nobody_hears_is_raised_all_the_same(told: Callable[..., list[str]]) -> None:
    assert told(GATE.format(body='assert(session:raise("left", ("x"):rep(256)))')) == []


def test_event_of_a_plugin_that_is_not_loaded_does_not_come(told: Callable[..., list[str]]) -> None:
    assert told(PORTER) == []


def test_what_is_raised_is_checked(told: Callable[..., list[str]]) -> None:
    body = """
    local result, reason = session:raise("knocked", ("x"):rep(257))
    assert(result == nil and reason == "too long")
    local done, problem = pcall(session.raise, session, "gate.knocked")
    assert(not done and problem:find("expected an event of .* raises, found gate.knocked"))
    assert(not pcall(session.raise, session, nil))
    done, problem = pcall(session.raise, session, "knocked", 5)
    assert(not done and problem:find("expected a string, found a number"))"""

    assert told(GATE.format(body=body)) == []


def test_closing_session_raises_nothing(told: Callable[..., list[str]]) -> None:
    source = """
    return { name = "gate", version = "1", raises = { "knocked" }, on = {
        session_closing = function(session)
            local result, reason = session:raise("knocked")
            assert(result == nil and reason == "invalid")
        end,
    } }"""

    assert told(source, PORTER) == []


def test_events_beyond_the_queue_have_no_room(told: Callable[..., list[str]]) -> None:
    body = """
    if packet:source_port() ~= 1003 then return end
    local count = 0
    repeat
        local done, reason = session:raise("knocked", "")
        count = count + (done and 1 or 0)
    until not done
    session:log("info", count .. " " .. select(2, session:raise("knocked")))"""

    lines = told(GATE.format(body=body), PORTER)

    assert lines == ["63 no room"] + ["gate.knocked  1003"] * 63


def test_plugin_that_raises_no_such_event_is_refused(
    told: Callable[..., list[str]],
) -> None:
    with pytest.raises(StellarError, match=r"porter: hears gate\.knocked: gate raises nothing"):
        told(SILENT, PORTER)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("on = { derived = function() end }", r"on: expected the name .*, found derived"),
        ('on = { ["gate."] = print }', r"on: expected an event, found gate\."),
        ('on = { ["a.b"] = 1 }', r"on\.a\.b: expected a function, found number"),
        (
            'on = { timer = print }, hears = { "a.b" }',
            r'hears: expected a handler on\["a\.b"\], found none',
        ),
        ('on = { timer = print }, hears = { "ab" }', r"hears: expected .*, found ab"),
        ('on = { timer = print }, raises = { "a.b" }', r"raises: expected a name .*, found a\.b"),
        ("on = { timer = print }, raises = { a = 1 }", r"raises: expected a list of names"),
        ("on = { timer = print }, raises = 1", r"raises: expected a table, found number"),
    ],
)
def test_declaration_is_refused(load: Load, fields: str, problem: str) -> None:
    source = 'local function print() end return { name = "a", version = "1", ' + fields + " }"

    with pytest.raises(LuaError, match=problem):
        load(source)


def test_own_event_is_not_heard(tmp_path: Path) -> None:
    path = tmp_path / "plugin.lua"
    path.write_text(
        'return { name = "gate", version = "1", raises = { "a" }, '
        'on = { ["gate.a"] = function() end } }'
    )

    with pytest.raises(PluginError, match=r"hears: expected plugin\.event of another plugin"):
        describe_plugin(path)


def test_declared_events_are_described(tmp_path: Path) -> None:
    path = tmp_path / "plugin.lua"
    path.write_text(PORTER)

    described = describe_plugin(path)

    assert (described["raises"], described["hears"]) == ([], ["gate.knocked", "nobody.came"])
    assert described["events"] == []
