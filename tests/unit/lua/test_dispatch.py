# SPDX-License-Identifier: Apache-2.0
"""A handler's calls, verdicts and failures, in an engine on a small capture."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import wrpcap

Drive = Callable[..., Any]

# What conftest's capture holds.
SESSIONS = 1 + 40
FRAMES = 3 + 40 + 1
ERRORS_MAX = 16  # STELLAR_PLUGIN_ERRORS_MAX


def plugin(event: str, body: str, *, head: str = "", fields: str = "") -> str:
    """A plugin with one handler, of one line each, so that lines in errors are known."""
    return f"""local stellar = require("stellar") local stats = require("stellar.stats") {head}
return {{ name = "probe", version = "1", {fields} on = {{
{event} = function(session, packet, event) {body} end }} }}"""


def test_handlers_are_called_for_each_event(drive: Drive) -> None:
    outcome = drive(
        plugin("session_packet", "seen:add() size:add(packet:length())",
               head='local seen, size = stats.counter("seen"), stats.counter("size")')
    )  # fmt: skip

    assert outcome.stats["calls"] == FRAMES - 1
    assert outcome.counters["seen"] == FRAMES - 1
    assert outcome.counters["size"] == outcome.packets["received_bytes"] - 42  # the ARP frame
    assert outcome.stats["errors"] == 0


def test_context_is_a_session_s_own_and_begins_at_zero(drive: Drive) -> None:
    outcome = drive(
        """
        local total = require("stellar.stats").counter("total")
        return { name = "probe", version = "1", context = { packets = "uint32", tcp = "bool" },
            on = {
                session_packet = function(session)
                    session.context.packets = session.context.packets + 1
                    session.context.tcp = session:protocol() == 6
                end,
                session_closing = function(session)
                    assert(session.context.tcp == (session:protocol() == 6))
                    assert(session.context.packets == session:packets(0) + session:packets(1))
                    total:add(session.context.packets)
                end,
            },
        }"""
    )

    assert (outcome.stats["errors"], outcome.plugin.first_failure()) == (0, None)
    assert outcome.counters["total"] == FRAMES - 1
    assert outcome.stats["contexts"] == 0


@pytest.mark.parametrize(
    ("event", "truth"),
    [
        ("session_opening", "session:id() >= 1 and session:id() <= 41"),
        ("session_opening", 'session:state() == "opening"'),
        ("session_opening", "session:direction() == stellar.FORWARD"),
        ("session_opening", "session:packets(stellar.FORWARD) == 1"),
        ("session_opening", "session:bytes(stellar.FORWARD) == packet:length()"),
        ("session_opening", 'session:originator():address():text() == "192.0.2.10"'),
        ("session_opening", 'session:responder():text():find("^198.51.100.20:%d+$") ~= nil'),
        ("session_opening", "session:originator() == packet:source()"),
        ("session_opening", "session:responder() ~= packet:source()"),
        ("session_opening", "session:originator():port() == packet:source_port()"),
        ("session_opening", "session:closing_reason() == nil and event:reason() == nil"),
        ("session_opening", "session:start_ms() == event:time_ms()"),
        ("session_opening", "packet:is_reassembled() == false"),
        ("session_opening", "event:time_ms() >= 1700000000000"),
        ("session_opening", "session:tag() == 0"),
        ("session_active", 'session:tcp_state() == "established"'),
        ("session_closing", 'session:state() == "closing" and packet == nil'),
        ("session_closing", 'event:reason() == "shutdown"'),
        ("session_closing", "event:reason() == session:closing_reason()"),
        ("session_packet", 'packet:field("ip.ttl") == 64 and packet:field("vlan.id") == nil'),
        ("session_packet", 'packet:field("ip.source") == packet:source():address()'),
        ("session_packet", 'packet:field("payload") == nil or #packet:payload() == 8'),
        ("session_packet", "packet:protocol() == session:protocol() and packet:ip_version() == 4"),
        ("udp_data", 'event:data() == "question" and event:name() == "udp_data"'),
        ("udp_data", 'packet:payload() == "question" and packet:payload(4) == "ques"'),
        ("udp_data", "packet:tcp_flags() == 0 and session:tcp_state() == nil"),
        ("udp_data", "packet:tcp_window() == 0 and packet:tcp_option(8) == nil"),
        ("udp_data", "packet:ttl() == 64 and packet:ecn() == 0"),
    ],
)
def test_views_tell_what_the_engine_knows(drive: Drive, event: str, truth: str) -> None:
    outcome = drive(plugin(event, f"assert({truth})"))

    assert outcome.stats["calls"] > 0
    assert outcome.plugin.first_failure() is None


@pytest.mark.parametrize(
    "truth",
    [
        "packet:tunnel_count() == 2 and packet:tunnel(3) == nil",
        'packet:tunnel(1).kind == "vxlan" and packet:tunnel(1).identifier == 9',
        "packet:tunnel(1).protocol == 17 and packet:tunnel(1).tag == 4096 * 100",
        'packet:tunnel(1).source:text() == "203.0.113.1:50000"',
        "packet:tunnel(1).destination:port() == 4789",
        'packet:tunnel(2).kind == "ipip" and packet:tunnel(2).identifier == 0',
        "packet:tunnel(2).tag == session:tag() and session:tag() ~= 4096 * 100",
        'packet:tunnel(2).destination:address():text() == "2001:db8::2"',
        "packet:source_port() == 5 and packet:field('vlan.id') == 100",
    ],
)
def test_packets_tell_of_their_tunnels(drive: Drive, tmp_path: Path, truth: str) -> None:
    outer = IP(src="203.0.113.1", dst="203.0.113.2") / UDP(sport=50000, dport=4789)
    inner = IPv6(src="2001:db8::1", dst="2001:db8::2") / IP(src="192.0.2.1", dst="192.0.2.2")
    frame = Ether() / Dot1Q(vlan=100) / outer / VXLAN(vni=9, flags="Instance") / Ether()
    capture = tmp_path / "tunnels.pcap"
    wrpcap(str(capture), [frame / inner / UDP(sport=5)])

    outcome = drive(plugin("session_opening", f"assert({truth})"), through=capture)

    assert outcome.stats["calls"] == 1
    assert outcome.plugin.first_failure() is None


def test_metadata_is_set_read_and_deleted(drive: Drive) -> None:
    outcome = drive(
        plugin(
            "session_opening",
            """assert(session:set_metadata("text", "a\\0b"))
            assert(session:get_metadata("text") == "a\\0b")
            assert(session:set_metadata("number", -7))
            assert(session:get_metadata_number("number") == -7)
            assert(#session:get_metadata("number") == 8)
            assert(session:get_metadata_number("text") == nil)
            assert(session:set_metadata("text", ""))
            assert(session:get_metadata("text") == "")
            assert(session:del_metadata("text"))
            assert(session:get_metadata("text") == nil)
            local done, problem = session:del_metadata("text")
            assert(done == nil and problem == "not found")
            done, problem = session:set_metadata("", "no key")
            assert(done == nil and problem == "invalid")""",
        )
    )

    assert outcome.plugin.first_failure() is None


def test_metadata_event_names_its_key(drive: Drive) -> None:
    outcome = drive(
        """
        local heard = require("stellar.stats").counter("heard")
        return { name = "probe", version = "1", on = {
            session_opening = function(session) session:set_metadata("colour", "red") end,
            metadata_changed = function(session, packet, event)
                assert(event:key() == "colour" and session:get_metadata("colour") == "red")
                heard:add()
            end } }"""
    )

    assert outcome.plugin.first_failure() is None
    assert outcome.counters == {"heard": SESSIONS}


@pytest.mark.parametrize("way", ["return stellar.DROP", "session:drop()"])
def test_drop_drops_the_packet_alone(drive: Drive, way: str) -> None:
    outcome = drive(plugin("session_opening", way))

    assert outcome.packets["dropped"]["plugin"] == SESSIONS
    assert outcome.packets["forwarded"] == FRAMES - SESSIONS


def test_reject_drops_the_rest_of_the_session_and_answers(drive: Drive) -> None:
    outcome = drive(plugin("session_active", 'assert(session:reject("rst"))'))

    assert outcome.packets["dropped"]["plugin"] == 1
    assert outcome.packets["generated"] == 1


def test_take_over_after_a_drop_is_denied(drive: Drive) -> None:
    outcome = drive(
        plugin(
            "session_opening",
            """session:drop() local done, problem = session:take_over()
            assert(done == nil and problem == "denied")""",
        )
    )

    assert outcome.plugin.first_failure() is None


def test_requests_of_a_lease_and_a_lock_succeed_for_their_owner(drive: Drive) -> None:
    outcome = drive(
        plugin(
            "session_opening",
            """assert(session:lock()) assert(session:unlock()) assert(session:take_over())
            assert(select(2, session:detach()) == "busy") assert(session:give_back())
            assert(select(2, session:give_back()) == "not permitted")
            assert(session:set_ratelimit_group(0))
            assert(select(2, session:set_ratelimit_group(7)) == "not in this version")
            assert(session:bypass())""",
        )
    )

    assert outcome.plugin.first_failure() is None
    assert outcome.stats["takeovers"] == SESSIONS


def test_detached_plugin_hears_no_more_of_the_session(drive: Drive) -> None:
    outcome = drive(plugin("session_packet", "session:detach()"))

    assert outcome.stats["calls"] == SESSIONS
    assert outcome.stats["detached"] == SESSIONS


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("error('no luck')", "3: no luck"),
        ("error({ 1 })", " table"),
        ("error()", " nil"),
        ("local nothing = nil; nothing()", "3: attempt to call local 'nothing' .*"),
        ("return 9", " plugin returned 9: expected a verdict of stellar, or nothing"),
        ("return 1.5", " plugin returned 1.5: .*"),
        ("return 'drop'", " plugin returned drop: .*"),
        ("return {}", " plugin returned table: .*"),
        ("session:hold(5)", "3: session:hold: expected a table, found a number"),
        ("session:hold{ ms = 60001 }", "3: session:hold: ms: expected a number from 1 to 60000"),
        ("session:hold{ outcome = 'p' }", '3: session:hold: outcome: expected "pass" or .*'),
        ("session:release()", '3: session:release: expected "pass" or "drop", found nil'),
        ("session:inject_rst(2)", '3: session:inject_rst: expected stellar.FORWARD, .* or "both"'),
        (
            "session:inject_icmp(3, 256)",
            "3: session:inject_icmp: code: expected a number from 0 .*",
        ),
        (
            "session:inject_icmp('3', 1)",
            "3: session:inject_icmp: type: expected a number from 0 .*",
        ),
        (
            "session:inject_payload('both', 'a')",
            "3: session:inject_payload: expected stellar.FOR.*",
        ),
        ("session:inject_payload(0, 5)", "3: session:inject_payload: expected a string, found .*"),
        ("session:inject_frame(nil, 'a')", "3: session:inject_frame: expected stellar.FORWARD .*"),
        ("return stellar.DORP", "3: stellar has no DORP"),
        ("session.colour = 1", "3: session has no field colour to set"),
        ("session.colour()", "3: session has no colour"),
        ("return session.context.seen", "3: plugin declares no context"),
        ("session.id()", "3: session: expected a call with a colon, found a nil"),
        ("session:packets(2)", "3: session:packets: expected stellar.FORWARD or stellar.REVERSE"),
        ("session:reject('tcp')", '3: session:reject: expected "rst" or "icmp", found tcp'),
        ("session:set_metadata('a', {})", "3: session:set_metadata: expected a string .*"),
        ("session:set_metadata('a', 0.5)", "3: session:set_metadata: expected a string .*"),
        ("session:set_metadata({}, 'a')", "3: session:set_metadata: expected a key, .*"),
        ("packet:field('ip.colour')", "3: packet:field: expected a field's name, found ip.colour"),
        ("packet:payload('all')", "3: packet:payload: expected a number of bytes"),
        ("packet:tunnel(0)", "3: packet:tunnel: expected a depth from 1 on"),
        ("stats.counter('late')", "3: stats.counter: expected a call while loading, .*"),
        ("require('stellar.log').info('x')", "3: log.info: expected a call while loading, .*"),
        ("local function f() return f() + 1 end f()", "3: calls are nested more than 200 deep"),
    ],
)
def test_failing_handler_is_counted_and_told(drive: Drive, body: str, complaint: str) -> None:
    outcome = drive(plugin("session_opening", body, fields='fail = "open",'))

    assert outcome.stats["errors"] == ERRORS_MAX
    assert not outcome.stats["enabled"]
    assert outcome.packets["forwarded"] == FRAMES
    failure = outcome.plugin.first_failure()
    assert re.search(rf"/plugin\.lua:{complaint}$", failure), failure


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("session.context.colour = 1", "3: context has no field colour: declare it"),
        ("return session.context.colour", "3: context has no field colour: declare it"),
        ("session.context.count = -1", "3: context.count: expected a value of uint8, found -1"),
        ("session.context.count = 256", "3: context.count: expected a value of uint8, found 256"),
        ("session.context.count = 0.5", "3: context.count: expected a value of uint8, found 0.5"),
        ("session.context.count = 0/0", "3: context.count: expected a value of uint8, found -?nan"),
        ("session.context.count = '1'", "3: context.count: expected a number, found a string"),
        ("session.context.seen = 1", "3: context.seen: expected a boolean, found a number"),
    ],
)
def test_value_that_does_not_fit_the_context_is_refused(
    drive: Drive, body: str, complaint: str
) -> None:
    outcome = drive(
        plugin("session_opening", body, fields='context = { seen = "bool", count = "uint8" },')
    )

    assert re.search(rf"/plugin\.lua:{complaint}$", outcome.plugin.first_failure())


@pytest.mark.parametrize(
    ("keep", "use", "complaint"),
    [
        ("session", "kept:id()", "session used outside of its callback"),
        ("session", "return kept.context", "session used outside of its callback"),
        ("session", "kept:drop()", "session used outside of its callback"),
        ("packet", "kept:length()", "packet used outside of its callback"),
        ("event", "kept:name()", "event used outside of its callback"),
        ("session.context", "return kept.seen", "session.context used outside of its callback"),
        ("session.context", "kept.seen = true", "session.context used outside of its callback"),
    ],
)
def test_object_kept_beyond_its_callback_is_refused(
    drive: Drive, keep: str, use: str, complaint: str
) -> None:
    outcome = drive(
        plugin("session_packet", f"if kept ~= nil then {use} end kept = {keep}",
               head="local kept", fields='context = { seen = "bool" },')
    )  # fmt: skip

    assert outcome.plugin.first_failure().endswith(f"/plugin.lua:3: {complaint}")


def test_endpoint_may_be_kept(drive: Drive) -> None:
    outcome = drive(
        plugin("session_closing", 'assert(kept:text():find("^192.0.2.10:")) ',
               head="local kept").replace(
            "on = {", "on = { session_opening = function(session) kept = session:originator() end,"
        )
    )  # fmt: skip

    assert outcome.plugin.first_failure() is None


def test_failed_plugin_that_fails_closed_blocks_its_sessions(drive: Drive) -> None:
    outcome = drive(plugin("session_packet", "error('no luck')"))

    assert outcome.packets["forwarded"] == 1  # ARP, which no plugin judges


def test_verdict_without_a_packet_is_a_failure(drive: Drive) -> None:
    outcome = drive(plugin("session_closing", "return stellar.DROP"))

    assert "expected none in an event without a packet" in outcome.plugin.first_failure()


def test_plugin_that_uses_up_its_memory_fails_and_the_engine_goes_on(drive: Drive) -> None:
    outcome = drive(
        plugin("session_opening", "for i = 1, 200 do kept[#kept + 1] = { i } end",
               head="local kept = {}", fields='fail = "open",'),
        memory_bytes=256 << 10,
    )  # fmt: skip

    assert outcome.stats["errors"] == ERRORS_MAX
    assert outcome.plugin.first_failure().endswith("plugin.lua: its memory budget is used up")
    assert outcome.packets["forwarded"] == FRAMES


@pytest.mark.parametrize("size", ["2^19", "2^20"])
def test_allocation_beyond_the_limit_is_an_error_in_the_handler(drive: Drive, size: str) -> None:
    outcome = drive(
        plugin("session_opening", f"kept[#kept + 1] = ('x'):rep({size}) .. #kept",
               head="local kept = {}", fields='fail = "open",'),
        memory_bytes=2 << 20,
    )  # fmt: skip

    assert outcome.stats["errors"] == ERRORS_MAX
    assert outcome.packets["forwarded"] == FRAMES


def test_garbage_is_collected_within_the_budget(drive: Drive) -> None:
    outcome = drive(
        plugin("session_packet", "local text = ('x'):rep(2^16) .. session:id() return #text * 0",
               head=""),
        memory_bytes=1 << 20,
    )  # fmt: skip

    assert outcome.plugin.first_failure() is None
