# SPDX-License-Identifier: Apache-2.0
"""Parents, children and announcements as a Lua plugin sees them, on conftest's small capture."""

from collections.abc import Callable
from typing import Any

import pytest

Drive = Callable[..., Any]

CHILDREN = 39  # all UDP sessions but the first, which announces them


def plugin(handlers: str) -> str:
    """A plugin whose first UDP session announces the others; `handlers` may add events."""
    return f"""
local stellar = require("stellar") local stats = require("stellar.stats")
local seen, wrong = stats.counter("seen"), stats.counter("wrong")
local on = {{}}
function on.session_opening(session)
    local first = session:originator()
    if session:protocol() ~= 17 or first:port() ~= 1000 then return end
    for port = 1001, 1039 do
        assert(session:expect{{ protocol = 17, timeout_ms = 60000, responder = session:responder(),
            originator = {{ address = first:address(), port = port }} }})
    end
end
{handlers}
return {{ name = "probe", version = "1", context = {{ packets = "uint32" }}, on = on }}"""


def test_announced_sessions_are_children_oldest_first(drive: Drive) -> None:
    outcome = drive(
        plugin("""
        function on.child_opening(session, packet, event)
            local port, child = 1001, event:child()
            for each in session:children() do
                assert(each:originator():port() == port)
                assert(each:parent():id() == session:id())
                port = port + 1
            end
            assert(child:originator():port() == port - 1)
            assert(packet:source_port() == port - 1)
            assert(child:parent():originator():port() == 1000 and session:parent() == nil)
            seen:add()
        end""")
    )

    assert (outcome.plugin.first_failure(), outcome.stats["errors"]) == (None, 0)
    assert outcome.counters["seen"] == CHILDREN


def test_metadata_of_a_parent_changes_there(drive: Drive) -> None:
    outcome = drive(
        plugin("""
        function on.session_packet(session)
            if session:parent() ~= nil then session:parent():set_metadata("child", session:id()) end
        end
        function on.metadata_changed(session, packet, event)
            assert(event:key() == "child" and packet == nil)
            assert(session:originator():port() == 1000)
            session.context.packets = session.context.packets + 1
        end
        function on.session_closing(session) seen:add(session.context.packets) end""")
    )

    assert (outcome.plugin.first_failure(), outcome.stats["errors"]) == (None, 0)
    assert outcome.counters["seen"] == CHILDREN


def test_parent_drops_a_child_through_its_handle(drive: Drive) -> None:
    outcome = drive(
        plugin("""
        function on.child_opening(session, packet, event)
            local done, why = session:drop()
            assert(done == nil and why == "invalid")
            assert(event:child():drop())
        end""")
    )

    assert outcome.plugin.first_failure() is None
    assert outcome.packets["dropped"]["plugin"] == CHILDREN


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("local _ = event:child().context", "expected the session of the callback"),
        ("event:child():stream(0)", "expected the session of the callback"),
        ("kept = kept or event:child() kept:id()", "session used outside of its callback"),
        ("walk = walk or session:children() walk()", "walked outside of its callback"),
        ("for each in session:children() do kept = each end kept:id()",
         "session used after the walk went on to the next"),
        ("session:expect()", "session:expect: expected a table, found a nil"),
        ("session:expect{ protocol = 17, timeout_ms = 0 }",
         "session:expect: timeout_ms: expected a number from 1 to 3600000"),
        ("session:expect{ protocol = 'udp', timeout_ms = 9 }",
         "session:expect: protocol: expected a number from 0 to 255"),
        ("session:expect{ protocol = 17, timeout_ms = 9, responder = 5 }",
         "session:expect: responder: expected an endpoint, found a number"),
        ("session:expect{ protocol = 17, timeout_ms = 9, responder = { port = 65536 } }",
         "session:expect: responder: expected a port from 0 to 65535"),
        ("session:expect{ protocol = 17, timeout_ms = 9, responder = { address = '192.0.2.1' } }",
         "session:expect: responder: expected an address, found a string"),
        ("session:expect{ protocol = 17, timeout_ms = 9, responder = { address = { 4, 'abc' } } }",
         "session:expect: responder: expected an address"),
    ],
)  # fmt: skip
def test_misuse_is_an_error_in_the_plugins_line(drive: Drive, body: str, problem: str) -> None:
    outcome = drive(
        plugin(f"local kept, walk\nfunction on.child_opening(session, packet, event) {body} end")
    )

    assert outcome.stats["errors"] > 0
    assert "plugin.lua:14: " in outcome.plugin.first_failure()
    assert problem in outcome.plugin.first_failure()


def test_verdict_returned_for_a_parent_is_an_error(drive: Drive) -> None:
    outcome = drive(plugin("function on.child_opening() return stellar.DROP end"))

    assert "without a packet of its session" in outcome.plugin.first_failure()
    assert outcome.packets["dropped"]["plugin"] == 0


def test_announcement_that_can_not_be_met_is_told(drive: Drive) -> None:
    outcome = drive(
        plugin("""
        function on.child_opening(session)
            local responder = session:responder()
            local done, why = session:expect{ protocol = 1, timeout_ms = 9, responder = responder }
            if done == nil and why == "invalid" then seen:add() end
        end""")
    )

    assert outcome.counters["seen"] == CHILDREN
