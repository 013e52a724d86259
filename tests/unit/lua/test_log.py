# SPDX-License-Identifier: Apache-2.0
"""session:log of a Lua plugin: what it takes, and the events it writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stellar.engine.replay import ReplayOptions, run

Drive = Callable[..., Any]

SOURCE = """
return {{ name = "talker", version = "1", on = {{ session_opening = function(session, packet, event)
    if session:id() ~= 1 then return end
    {body}
end }} }}"""


def test_line_is_an_event_of_the_session(tmp_path: Path, capture: Path) -> None:
    plugin, events = tmp_path / "talker.lua", tmp_path / "events.json"
    plugin.write_text(SOURCE.format(body=r'assert(session:log("error", "caf\195\169 \255"))'))

    run(ReplayOptions(captures=[capture], plugins=[plugin], events=str(events)))

    told = [json.loads(line) for line in events.read_bytes().splitlines()]
    assert [event for event in told if event["event_type"] == "plugin"] == [
        {
            "timestamp": "2023-11-14T22:13:20.000000+0000",
            "flow_id": 1,
            "in_iface": "capture",
            "event_type": "plugin",
            "src_ip": "192.0.2.10",
            "src_port": 40000,
            "dest_ip": "198.51.100.20",
            "dest_port": 80,
            "proto": "TCP",
            "ip_v": 4,
            "plugin": {"name": "talker", "level": "error", "text": "café \xff"},
        }
    ]


def test_level_and_text_are_checked(drive: Drive) -> None:
    body = """
    local done, problem = pcall(session.log, session, "loud", "x")
    assert(not done and problem:find("expected error, warning, info or debug, found loud"))
    assert(not pcall(session.log, session, nil, "x"))
    done, problem = pcall(session.log, session, "info", 5)
    assert(not done and problem:find("expected a string, found a number"))
    assert(session:log("info", ("x"):rep(1024)) == true)
    local result, reason = session:log("info", ("x"):rep(1025))
    assert(result == nil and reason == "too long")"""

    outcome = drive(SOURCE.format(body=body))

    assert outcome.plugin.first_failure() is None
    assert outcome.stats["errors"] == 0


def test_session_kept_beyond_its_callback_says_nothing(drive: Drive) -> None:
    source = """
    local kept = nil
    return { name = "keeper", version = "1", on = { session_opening = function(session)
        kept = kept or session
        kept:log("info", "x")
    end } }"""

    outcome = drive(source)

    assert "session used outside of its callback" in outcome.plugin.first_failure()
