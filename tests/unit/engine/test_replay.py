# SPDX-License-Identifier: Apache-2.0
"""Captures through the engine: what comes out, and that it is the same every time."""

import json
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from scapy.utils import rdpcap, wrpcap

from stellar.engine import StellarError
from stellar.engine.replay import ReplayOptions, ReplayResult, run

CLIENT, SERVER = "192.0.2.1", "198.51.100.2"
BEGIN = 1_700_000_000.0


def conversation(port: int, at: float) -> list[Packet]:
    """A whole TCP session, closed by both sides, from `port` at second `at`."""
    there = Ether() / IP(src=CLIENT, dst=SERVER) / TCP(sport=port, dport=80)
    back = Ether() / IP(src=SERVER, dst=CLIENT) / TCP(sport=80, dport=port)
    steps: list[tuple[Packet, str, int, int, bytes]] = [
        (there, "S", 100, 0, b""),
        (back, "SA", 900, 101, b""),
        (there, "A", 101, 901, b""),
        (there, "PA", 101, 901, b"question"),
        (back, "PA", 901, 109, b"answer"),
        (there, "FA", 109, 907, b""),
        (back, "FA", 907, 110, b""),
        (there, "A", 110, 908, b""),
    ]
    packets = []
    for i, (direction, flags, seq, ack, payload) in enumerate(steps):
        packet = direction.copy()
        packet[TCP].flags, packet[TCP].seq, packet[TCP].ack = flags, seq, ack
        if payload:
            packet = packet / Raw(payload)
        packet.time = BEGIN + at + i / 100
        packets.append(packet)
    return packets


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Three TCP sessions, interleaved, and a datagram that nobody answers."""
    packets = [packet for i in range(3) for packet in conversation(1000 + i, i / 1000)]
    lonely = Ether() / IP(src=CLIENT, dst=SERVER) / UDP(sport=5, dport=6) / Raw(b"hello")
    lonely.time = BEGIN + 100
    path = tmp_path / "input.pcap"
    wrpcap(str(path), sorted([*packets, lonely], key=lambda packet: packet.time))
    return path


def replay(capture: Path, **options: Any) -> tuple[ReplayResult, list[dict[str, Any]]]:
    """Run a capture; returns the result and its EVE events."""
    events = capture.with_suffix(".json")
    result = run(ReplayOptions(captures=[capture], events=str(events), **options))
    return result, [json.loads(line) for line in events.read_text().splitlines()]


def test_each_session_becomes_one_flow_event(capture: Path) -> None:
    result, events = replay(capture)

    closed = [event for event in events if event["event_type"] == "flow"]
    assert [event["proto"] for event in closed] == ["TCP", "TCP", "TCP", "UDP"]
    assert {event["src_ip"] for event in closed} == {CLIENT}
    assert {event["flow"]["reason"] for event in closed[:3]} == {"fin"}
    assert closed[0]["flow"]["pkts_toserver"] == 5
    assert closed[0]["flow"]["pkts_toclient"] == 3
    assert closed[3]["flow"]["reason"] == "shutdown"
    assert result.stats["sessions"]["created"] == 4
    assert result.stats["sessions"]["active"] == 0


def test_session_ids_count_from_one_and_go_on_in_the_next_capture(capture: Path) -> None:
    events = capture.with_suffix(".json")

    run(ReplayOptions(captures=[capture, capture], events=str(events), event_types=["flow"]))

    ids = [json.loads(line)["flow_id"] for line in events.read_text().splitlines()]
    assert sorted(ids) == list(range(1, 9))


@pytest.mark.parametrize("burst_size", [1, 7, 64])
def test_size_of_a_burst_cannot_be_seen(capture: Path, burst_size: int) -> None:
    first, _ = replay(capture, burst_size=64)
    expected = capture.with_suffix(".json").read_bytes()

    second, _ = replay(capture, burst_size=burst_size)

    assert capture.with_suffix(".json").read_bytes() == expected
    assert second.stats["events"] == first.stats["events"]


def test_counters_equal_what_the_capture_holds(capture: Path, tmp_path: Path) -> None:
    output = tmp_path / "output.pcap"

    result, _ = replay(capture, write=output)

    packets = result.stats["packets"]
    assert result.imbalance == 0
    assert packets["received"] == len(rdpcap(str(capture)))
    assert packets["forwarded"] == len(rdpcap(str(output)))
    assert [bytes(p) for p in rdpcap(str(output))] == [bytes(p) for p in rdpcap(str(capture))]


def test_cut_capture_is_a_problem_and_what_came_before_counts(capture: Path) -> None:
    whole = capture.read_bytes()
    capture.write_bytes(whole[:-3])

    result, _ = replay(capture)

    assert result.stats["packets"]["received"] == 24
    assert result.imbalance == 0
    assert len(result.problems) == 1
    assert str(capture) in result.problems[0]
    assert "expected" in result.problems[0]


def test_unreadable_capture_leaves_the_others(capture: Path, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pcap"
    nonsense.write_text("not a capture")

    result = run(ReplayOptions(captures=[nonsense, tmp_path / "absent.pcap", capture]))

    assert result.stats["packets"]["received"] == 25
    assert len(result.problems) == 2


def test_refused_plugin_is_an_error_that_names_it(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(StellarError, match=r"absent\.so: expected a plugin"):
        replay(capture, plugins=[tmp_path / "absent.so"])


def test_damaged_policy_image_is_an_error(capture: Path) -> None:
    with pytest.raises(StellarError, match="policy image: expected STLRPOL1"):
        replay(capture, policy_image=b"nonsense nonsense nonsense")


def test_wrong_checksum_has_no_session_unless_ignored(tmp_path: Path) -> None:
    packet = Ether() / IP(src=CLIENT, dst=SERVER) / UDP(sport=5, dport=6, chksum=0x1234)
    packet.time = BEGIN
    capture = tmp_path / "wrong.pcap"
    wrpcap(str(capture), [packet])

    strict, events = replay(capture, inline=True)
    lenient, _ = replay(capture, inline=True, verify_checksums=False)

    assert strict.stats["packets"]["dropped"]["checksum"] == 1
    assert strict.stats["decode_events"] == {"udp_checksum_wrong": 1}
    assert lenient.stats["packets"]["forwarded"] == 1
    assert [event["event_type"] for event in events] == ["anomaly", "drop", "stats"]
    assert events[1]["drop"]["reason"] == "checksum"


def test_vlan_tags_are_in_the_events(tmp_path: Path) -> None:
    inner = IP(src=CLIENT, dst=SERVER) / UDP(sport=5, dport=6)
    packets = [
        Ether() / Dot1Q(vlan=7) / inner,
        Ether(type=0x88A8) / Dot1Q(vlan=9, type=0x8100) / Dot1Q(vlan=7) / inner,
        Ether() / inner,
    ]
    capture = tmp_path / "tagged.pcap"
    wrpcap(str(capture), packets)

    _, events = replay(capture, event_types=["flow"])

    assert sorted(event.get("vlan", []) for event in events) == [[], [7], [9, 7]]


def test_events_tell_of_tunnels_and_the_vlans_around_and_inside(tmp_path: Path) -> None:
    inner = Ether() / Dot1Q(vlan=300) / IP(src=CLIENT, dst=SERVER) / UDP(sport=5, chksum=1)
    outer = IP(src="203.0.113.1", dst="203.0.113.2") / UDP(sport=50000, dport=4789)
    mirror = IP(src="203.0.113.3", dst="203.0.113.4") / GRE(proto=0x88BE)
    frame = Ether() / Dot1Q(vlan=100) / outer / VXLAN(vni=9, flags="Instance") / Ether() / mirror
    capture = tmp_path / "tunnels.pcap"
    wrpcap(str(capture), [frame / inner])

    _, events = replay(capture, inline=True, event_types=["drop"])

    assert events[0]["vlan"] == [100, 300]
    assert (events[0]["src_ip"], events[0]["src_port"]) == (CLIENT, 5)
    assert events[0]["tunnel"] == {
        "kind": "vxlan",
        "id": 9,
        "src_ip": "203.0.113.1",
        "src_port": 50000,
        "dest_ip": "203.0.113.2",
        "dest_port": 4789,
        "proto": "UDP",
        "depth": 2,
    }


def test_events_that_cannot_be_written_are_counted(capture: Path) -> None:
    written = run(ReplayOptions(captures=[capture], events=str(capture.with_suffix(".json"))))

    result = run(ReplayOptions(captures=[capture], events="/dev/full"))

    lines = written.stats["output"]["written"]
    assert lines == len(capture.with_suffix(".json").read_text().splitlines())
    assert result.stats["output"] == {"written": 0, "lost": lines}
    assert result.imbalance == 0
