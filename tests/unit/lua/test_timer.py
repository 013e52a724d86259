# SPDX-License-Identifier: Apache-2.0
"""Timers and ticks of Lua plugins: what they take, when they come, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stellar.engine import Engine
from stellar.engine.plugins import add_lua_plugin, describe_plugin
from stellar.engine.replay import ReplayOptions, run
from stellar.lua import LuaError, LuaPlugin

Drive = Callable[..., Any]
Load = Callable[..., LuaPlugin]

ERRORS_MAX = 16  # of one plugin
FRAMES_MS = 43  # from the first frame of the capture to the last
LONG_MS = 19

TIMED = """
return {{ name = "timed", version = "1", on = {{
    session_opening = function(session)
        {opening}
    end,
    timer = function(session, packet, event)
        {timer}
    end,
}} }}"""
TICKING = """
local stats = require("stellar.stats")
local ticks, lines = stats.counter("ticks"), stats.counter("lines")
local calls, kept = 0, {{}}
local function fill() while true do kept[#kept + 1] = {{ #kept }} end end
return {{ name = "ticking", version = "1",
    on = {{ session_packet = function(session, packet)
        {packet}
    end }},
    tick = {{ every_ms = {every_ms}, run = function(tick)
        calls = calls + 1
        ticks:add()
        {tick}
    end }},
}}"""


def ticking(tick: str = "", packet: str = "", every_ms: int = 1) -> str:
    return TICKING.format(tick=tick, packet=packet, every_ms=every_ms)


def texts(events: Path) -> list[str]:
    lines = [json.loads(line) for line in events.read_bytes().splitlines()]
    return [line["plugin"]["text"] for line in lines if line["event_type"] == "plugin"]


@pytest.fixture
def told(tmp_path: Path, capture: Path) -> Callable[..., list[str]]:
    """Runs a plugin that must not fail; what it logged, in order."""

    def run_plugin(source: str, **options: Any) -> list[str]:
        plugin, events = tmp_path / "plugin.lua", tmp_path / "events.json"
        plugin.write_text(source)
        result = run(
            ReplayOptions(captures=[capture], plugins=[plugin], events=str(events), **options)
        )
        assert [each["errors"] for each in result.stats["plugins"]] == [0]
        return texts(events)

    return run_plugin


def test_timer_is_an_event_without_packet_at_its_time(told: Callable[..., list[str]]) -> None:
    source = TIMED.format(
        opening="if session:id() == 1 then assert(session:start_timer(10) == true) end",
        timer="""session:log("info", event:name() .. " " .. tostring(packet) .. " "
            .. event:time_ms() - session:start_ms() .. " " .. session:originator():text())""",
    )

    assert told(source) == ["timer nil 10 192.0.2.10:40000"]
    assert told(source, burst_size=1) == ["timer nil 10 192.0.2.10:40000"]


def test_timer_is_moved_stopped_and_started_by_its_handler(
    told: Callable[..., list[str]],
) -> None:
    source = TIMED.format(
        opening="""local id = session:id()
        if id > 3 then return end
        session:start_timer(5)
        if id == 1 then session:start_timer(10) end
        if id == 2 then assert(session:stop_timer() and session:stop_timer()) end""",
        timer="""local age = event:time_ms() - session:start_ms()
        session:log("info", session:id() .. " " .. age)
        if age < 15 then session:start_timer(5) end""",
    )

    assert told(source) == ["3 5", "1 10", "3 10", "1 15", "3 15"]


def test_delay_is_checked(drive: Drive) -> None:
    opening = """
    for _, delay in ipairs({ 0, -1, 1.5, 0 / 0, 2 ^ 31, "5", {} }) do
        local done, problem = pcall(session.start_timer, session, delay)
        assert(not done and problem:find("expected a number of ms from 1 to 2147483647", 1, true))
    end
    assert(not pcall(session.start_timer, session))
    assert(session:start_timer(2 ^ 31 - 1))"""

    outcome = drive(TIMED.format(opening=opening, timer='error("it is far away")'))

    assert outcome.plugin.first_failure() is None
    assert outcome.stats["errors"] == 0
    assert outcome.stats["calls"] == 41


def test_timer_without_a_handler_is_invalid(drive: Drive) -> None:
    source = """
    return { name = "deaf", version = "1", on = { session_opening = function(session)
        local done, problem = session:start_timer(5)
        assert(done == nil and problem == "invalid")
    end } }"""

    assert drive(source).stats["errors"] == 0


def test_error_in_a_timer_is_counted_and_ends_the_session_for_the_plugin(drive: Drive) -> None:
    source = TIMED.format(
        opening="if session:id() == 1 then session:start_timer(5) end",
        timer='session:start_timer(1) error("not now")',
    )

    outcome = drive(source)

    assert outcome.plugin.first_failure().endswith("plugin.lua:7: not now")
    assert (outcome.stats["errors"], outcome.stats["detached"]) == (1, 1)
    assert outcome.stats["timers"] == 0


def test_tick_comes_each_time_with_time_and_worker(told: Callable[..., list[str]]) -> None:
    source = ticking(
        every_ms=10,
        tick='assert(tick:log("info", tick:time_ms() % 1000 .. " on " .. tick:worker()))',
    )

    assert told(source) == ["10 on 0", "20 on 0", "30 on 0", "40 on 0"]
    assert told(source, burst_size=1) == ["10 on 0", "20 on 0", "30 on 0", "40 on 0"]


def test_tick_of_each_worker_has_its_own_state(told: Callable[..., list[str]]) -> None:
    source = ticking(
        every_ms=20,
        packet="kept[1] = (kept[1] or 0) + 1",
        tick='tick:log("info", tick:worker() .. " " .. (kept[1] or 0))',
    )

    lines = [tuple(map(int, line.split())) for line in told(source, workers=3)]

    assert {worker for worker, _ in lines} == {0, 1, 2}
    assert 20 < sum(max(n for w, n in lines if w == worker) for worker in range(3)) <= FRAMES_MS


def test_counters_of_a_tick_are_those_of_the_plugin(drive: Drive) -> None:
    outcome = drive(ticking(packet="ticks:add(1000)", tick="lines:add(2)"))

    packets = outcome.stats["calls"]
    assert outcome.counters == {"ticks": packets * 1000 + FRAMES_MS, "lines": 2 * FRAMES_MS}


def test_line_of_a_tick_is_checked(drive: Drive) -> None:
    outcome = drive(
        ticking(
            tick="""
    local done, problem = pcall(tick.log, tick, "loud", "x")
    assert(not done and problem:find("tick:log: expected error, warning, info or debug", 1, true))
    done, problem = pcall(tick.log, tick, "info", 5)
    assert(not done and problem:find("tick:log: expected a string, found a number", 1, true))
    local result, reason = tick:log("info", ("x"):rep(1025))
    assert(result == nil and reason == "too long")
    assert(tostring(tick) == "tick")
    assert(not pcall(function() tick.field = 1 end))"""
        )
    )

    assert outcome.plugin.first_failure() is None


@pytest.mark.parametrize(
    ("packet", "tick", "complaint"),
    [
        ("", 'error("no")', ":13: no"),
        ("", "local x = nil + 1", ":13: attempt to perform arithmetic on a nil value"),
        ("", "while true do end", ":13: its time budget of 100000 steps is used up"),
        ("", "pcall(function() while true do end end)", "steps is used up"),
        ("kept.session = session", "kept.session:id()", "session used outside of its callback"),
        ("kept.s = session", 'kept.s:log("info", "")', "session used outside of its callback"),
        ("kept.s = session", "kept.s:start_timer(5)", "session used outside of its callback"),
        ("kept.s = session", "kept.s.context = 1", "session has no field context to set"),
        ("kept.s = session", "rawset(kept.s, 1, rawget(tick, 1)) kept.s:id()", "used in a tick"),
        ("kept.p = packet", "rawset(kept.p, 1, rawget(tick, 1)) kept.p:length()", "used in a tick"),
        ("kept.p = packet", "kept.p:length()", "packet used outside of its callback"),
        ("", "kept.t = kept.t or tick if calls > 1 then kept.t:worker() end", "tick used outside"),
        (
            "local t = kept.t if t then rawset(t, 1, rawget(packet, 1)) t:time_ms() end",
            "kept.t = tick",
            "tick used outside of a tick",
        ),
        ("if kept.t then kept.t:time_ms() end", "kept.t = tick", "tick used outside of its"),
        ("if kept.t then kept.t:log('info', '') end", "kept.t = tick", "tick used outside of its"),
    ],
)
def test_tick_that_fails_is_counted_and_disables_its_plugin(
    drive: Drive, long_capture: Path, packet: str, tick: str, complaint: str
) -> None:
    outcome = drive(ticking(tick, packet), through=long_capture)

    assert complaint in outcome.plugin.first_failure()
    assert outcome.stats["errors"] == ERRORS_MAX
    assert not outcome.stats["enabled"]
    assert outcome.packets["received"] == 20000


def test_some_errors_of_ticks_leave_the_plugin_in_force(drive: Drive) -> None:
    outcome = drive(ticking(tick="if calls % 4 == 0 then error(calls) end"))

    assert outcome.stats["errors"] == FRAMES_MS // 4
    assert outcome.stats["enabled"]
    assert outcome.counters["ticks"] == FRAMES_MS


@pytest.mark.parametrize("tick", ["fill()", "pcall(fill)", "if calls == 2 then pcall(fill) end"])
def test_tick_that_uses_up_the_memory_is_taken_off(
    drive: Drive, long_capture: Path, tick: str
) -> None:
    outcome = drive(ticking(tick, packet="lines:add()"), through=long_capture, memory_bytes=1 << 20)

    # What it kept is let go of: the state is as small as after loading.
    assert "memory" in outcome.plugin.first_failure()
    assert not outcome.stats["enabled"]
    assert outcome.counters["ticks"] <= 2
    assert outcome.plugin.memory_bytes < 2 << 20
    assert outcome.packets["received"] == 20000


def test_handler_that_uses_up_the_memory_takes_the_tick_off(
    drive: Drive, long_capture: Path
) -> None:
    outcome = drive(
        ticking("", packet="if calls == 3 then fill() end"),
        through=long_capture,
        memory_bytes=1 << 20,
    )

    assert outcome.counters["ticks"] == 3
    assert outcome.stats["errors"] == ERRORS_MAX
    assert not outcome.stats["enabled"]


@pytest.mark.parametrize(
    ("tick", "expected"),
    [
        ("7", "tick: expected a table, found number"),
        ("{}", "tick.every_ms: expected a number of ms from 1 to 2147483647, found nil"),
        ("{ every_ms = 0, run = function() end }", "found 0"),
        ("{ every_ms = 1.5, run = function() end }", "found 1.5"),
        ("{ every_ms = 2 ^ 31, run = function() end }", "found 2147483648"),
        ("{ every_ms = '5', run = function() end }", "found 5"),
        ("{ every_ms = 5 }", "tick.run: expected a function, found nil"),
        ("{ every_ms = 5, run = {} }", "tick.run: expected a function, found table"),
        (
            "{ every_ms = 5, run = function() end, at = 3 }",
            "tick: expected a field of it (every_ms, run), found at",
        ),
    ],
)
def test_declaration_of_a_tick_is_checked(load: Load, tick: str, expected: str) -> None:
    with pytest.raises(LuaError) as caught:
        load(
            'return { name = "x", version = "1", on = { timer = function() end }, tick = '
            + tick
            + " }"
        )

    assert expected in str(caught.value)


def test_plugin_without_a_tick_has_none(load: Load) -> None:
    plugin = load('return { name = "x", version = "1", on = { timer = function() end } }')
    engine = Engine(inline=True)
    add_lua_plugin(engine, plugin)

    assert plugin.tick_ms == 0
    assert engine.describe_plugin(0)["tick_ms"] == 0
    engine.close()


def test_interval_of_a_tick_is_described(tmp_path: Path) -> None:
    path = tmp_path / "ticking.lua"
    path.write_text(ticking(every_ms=250))

    assert describe_plugin(path)["tick_ms"] == 250
