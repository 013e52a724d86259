# SPDX-License-Identifier: Apache-2.0
"""Plugins that mean harm, long enough for their handlers to be compiled: the worker goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Drive = Callable[..., Any]

FRAMES = 20000
SESSIONS = 64
ERRORS_MAX = 16  # STELLAR_PLUGIN_ERRORS_MAX


def plugin(body: str) -> str:
    return f"""
    local calls, kept = 0, {{}}
    local function deep(n) return 1 + deep(n + 1) end
    local function nested() return pcall(nested) end
    local function fill(list) while true do list[#list + 1] = ("x"):rep(60000) .. #list end end
    return {{ name = "hostile", version = "1", fail = "open", on = {{
        session_packet = function(session, packet, event)
            calls = calls + 1
            {body}
        end,
    }} }}"""


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("kept[calls] = { calls, {} }", "its memory budget is used up"),
        ('kept[calls] = ("%d of %d"):format(calls, calls)', "its memory budget is used up"),
        (
            'if calls > 10000 then kept[calls] = ("x"):rep(2^16) .. calls end',
            "its memory budget is used up",
        ),
        (
            "if calls == 10000 then pcall(fill, kept) end",
            "its memory budget is used up",
        ),
        ("if calls > 10000 then fill(kept) end", "its memory budget is used up"),
        ("if calls > 10000 then deep(1) end", "calls are nested more than 200 deep"),
        ('if calls > 10000 then error("late") end', "late"),
        ("if calls > 10000 then return 7 end", "expected a verdict of stellar, or nothing"),
        ("rawset(session, 1, -1) return session:id()", "session used outside of its callback"),
        ('table.sort({ 2, 1, 3 }, function() error("unsorted") end)', "unsorted"),
        ('("x"):gsub("x", function() error("no match") end)', "no match"),
        (
            'error(setmetatable({}, { __tostring = function() error("again") end }))',
            "an error that has no text",
        ),
        ("error(setmetatable({}, { __tostring = function() return {} end }))", "no text"),
    ],
)
def test_plugin_that_does_harm_is_disabled_and_traffic_goes_on(
    drive: Drive, long_capture: Path, body: str, complaint: str
) -> None:
    outcome = drive(plugin(body), through=long_capture, memory_bytes=1 << 20)

    assert not outcome.stats["enabled"]
    assert outcome.stats["errors"] == ERRORS_MAX
    assert complaint in outcome.plugin.first_failure()
    assert outcome.packets["forwarded"] == FRAMES


@pytest.mark.parametrize("body", ["fill(kept)", "pcall(fill, kept)", "kept[calls] = { calls }"])
def test_plugin_that_uses_up_its_memory_lets_go_of_all_that_it_kept(
    drive: Drive, long_capture: Path, body: str
) -> None:
    outcome = drive(plugin(body), through=long_capture, memory_bytes=1 << 20)

    assert "its memory budget is used up" in outcome.plugin.first_failure()
    assert outcome.plugin.memory_bytes < 1 << 20


@pytest.mark.parametrize(
    "body",
    [
        "if calls % 2000 == 0 then pcall(deep, 1) end",
        "if calls % 2000 == 0 then nested() end",
        "xpcall(function() error(1) end, function(problem) error(problem) end)",
        "if calls % 2000 == 0 then pcall(fill, {}) end",
        "pcall(table.sort, { 5, 3, 1, 4 }, function() return true end)",
        'session:set_metadata("k" .. calls % 20, ("v"):rep(calls % 100))',
        "if kept[1] then rawset(kept[1], 1, rawget(session, 1)) kept[1]:id() end kept[1] = session",
        "local text = ('x'):rep(2^16) .. calls",
    ],
)  # fmt: skip
def test_plugin_that_cleans_up_after_itself_goes_on(
    drive: Drive, long_capture: Path, body: str
) -> None:
    outcome = drive(plugin(body), through=long_capture, memory_bytes=4 << 20)

    assert outcome.plugin.first_failure() is None
    assert outcome.stats["calls"] == FRAMES
    assert outcome.packets["forwarded"] == FRAMES


def test_failure_detaches_only_the_session_it_was_for(drive: Drive, long_capture: Path) -> None:
    outcome = drive(plugin("if calls == 10000 then error() end"), through=long_capture)

    left_of_session = (FRAMES - 10000) // SESSIONS
    assert outcome.stats["errors"] == 1
    assert outcome.stats["enabled"]
    assert abs(FRAMES - outcome.stats["calls"] - left_of_session) <= 1


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (
            "local a = packet:source():address() rawset(a, 2, nil) error(a:text())",
            "plugin.lua:9: none",
        ),
        ('packet:source():address().text({ 6, "x" }) error("none read")', "none read"),
        ("pcall(table.insert, {}, 0 / 0, 1) while true do end", "budget of 100000 steps"),
        ("local t = { 1, 2 } table.insert(t, 0 / 0, 1)", "expected a place from 1 to 3"),
        ("pcall(table.remove, { 1, 2 }, 0 / 0) while true do end", "budget of 100000 steps"),
        ('string.format(("%1"):rep(60000))', "invalid option"),
        ('string.format("%" .. ("0"):rep(60000) .. "p", {})', "%p is not available"),
        (
            "local _, problem = pcall(session.reject, session, {}) error(problem)",
            'session:reject: expected "rst" or "icmp", found table',
        ),
        (
            "local deep = setmetatable({}, { __index = { __tostring = error } })"
            " error(setmetatable({}, deep))",
            "plugin.lua: table",
        ),
    ],
)
def test_forged_argument_is_refused(
    drive: Drive, long_capture: Path, body: str, complaint: str
) -> None:
    outcome = drive(plugin(body), through=long_capture)

    assert complaint in outcome.plugin.first_failure()
    assert outcome.stats["errors"] == ERRORS_MAX
    assert outcome.packets["forwarded"] == FRAMES


def test_packet_that_is_kept_is_none_of_an_event_without_one(drive: Drive) -> None:
    outcome = drive("""
        local kept
        return { name = "hostile", version = "1", fail = "open", on = {
            session_packet = function(session, packet) kept = packet end,
            session_closing = function(session, packet)
                rawset(kept, 1, rawget(session, 1))
                kept:payload()
            end,
        } }""")

    assert "7: packet used in an event without one" in outcome.plugin.first_failure()
