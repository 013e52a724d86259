# SPDX-License-Identifier: Apache-2.0
"""Frames of scenarios, held against scapy: it must read what was meant, checksums included."""

import subprocess
from pathlib import Path

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror, defragment
from scapy.layers.inet6 import IPv6, defragment6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet
from scapy.utils import RawPcapNgReader, RawPcapReader

from stellar.scenario import build_frames, build_pcap, build_pcapng, parse_pcap, parse_scenario
from stellar.scenario.frame import checksum

EVERYTHING = """\
hosts: {router: 203.0.113.1, router6: "2001:db8:3::1"}
packets:
  - {open: "tcp client:40000 > server:80", vlan: 7, ttl: 9}
  - {client: hello, times: 2}
  - server: {bytes: 1001}
  - {client: late, offset: 100, flags: PAU, window: 17}
  - {error: router, kind: time_exceeded}
  - {reset: server}
  - open: udp client:42000 > server:42001
  - client: ""
  - server: {hex: "0001ff"}
  - {client: {bytes: 3000}, fragment_bytes: 1000, fragment_order: [2, 0, 3, 1]}
  - {error: server, kind: port_unreachable}
  - open: icmp client > server
  - client: ping
  - server: ping
  - open: tcp client6:40000 > server6:80
  - client6: six
  - close
  - open: udp client6:42000 > server6:42001
  - {client6: {bytes: 3001}, fragment_bytes: 1200}
  - {error: router6, kind: packet_too_big}
  - open: icmp client6 > server6
  - client6: ping
  - server6: ping
"""


@pytest.fixture(scope="module")
def packets() -> list[Packet]:
    return [Ether(frame.data) for frame in build_frames(parse_scenario(EVERYTHING))]


def packets_of(text: str) -> list[Packet]:
    return [Ether(frame.data) for frame in build_frames(parse_scenario(text))]


def test_scapy_builds_the_same_bytes_when_it_computes_every_checksum(
    packets: list[Packet],
) -> None:
    different = []
    for packet in packets:
        again = Ether(raw(packet))
        for name in ("IP", "IPv6", "TCP", "UDP", "ICMP"):
            if again.haslayer(name):
                for field in ("chksum", "len", "plen", "dataofs"):
                    if field in again[name].fields and again[name].fields.get("frag", 0) == 0:
                        again[name].delfieldval(field)
        for layer in again.layers():
            if layer.__name__.startswith("ICMPv6") and "cksum" in again[layer].fields:
                again[layer].delfieldval("cksum")
        is_piece = again.haslayer("IPv6ExtHdrFragment") or (
            again.haslayer(IP) and (again[IP].flags == "MF" or again[IP].frag)
        )
        if not is_piece and raw(again) != raw(packet):
            different.append(packet.summary())

    assert different == []


def test_fragments_come_together_to_a_datagram_with_a_right_checksum(
    packets: list[Packet],
) -> None:
    fragment_header = 44
    ids = {packet[IP].id for packet in packets if IP in packet and packet[IP].flags == "MF"}
    pieces = [packet[IP] for packet in packets if IP in packet and packet[IP].id in ids]
    pieces6 = [
        packet[IPv6] for packet in packets if IPv6 in packet and packet.nh == fragment_header
    ]
    whole = next(iter(defragment(sorted(pieces, key=lambda piece: piece.frag))))
    whole6 = defragment6(pieces6)

    assert len(raw(whole[IP].payload)) == 3008
    for datagram in (IP(raw(whole[IP])), IPv6(raw(whole6))):
        expected = datagram[UDP].chksum
        datagram[UDP].delfieldval("chksum")
        assert datagram.__class__(raw(datagram))[UDP].chksum == expected


def test_order_of_fragments_is_as_asked_for(packets: list[Packet]) -> None:
    pieces = [
        packet[IP].frag * 8
        for packet in packets
        if IP in packet and (packet[IP].flags == "MF" or packet[IP].frag)
    ]

    assert pieces == [2000, 0, 3000, 1000]


def test_sequence_numbers_follow_what_was_sent() -> None:
    found = packets_of(
        """\
packets:
  - {open: "tcp client > server:80", sequences: [4294967295, 10]}
  - client: hello
  - server: hi
  - {client: "!", offset: 10}
  - {server: hi, offset: 0}
  - close
"""
    )

    assert [(p[TCP].seq, p[TCP].ack, str(p[TCP].flags)) for p in found] == [
        (4294967295, 0, "S"), (10, 0, "SA"), (0, 11, "A"), (0, 11, "PA"), (11, 5, "PA"),
        (10, 13, "PA"), (11, 11, "PA"), (11, 13, "FA"), (13, 12, "FA"), (12, 14, "A"),
    ]  # fmt: skip


def test_vlan_ttl_flags_and_window_are_those_given(packets: list[Packet]) -> None:
    late = packets[6]

    assert (late[Dot1Q].vlan, late[IP].ttl, str(late[TCP].flags), late[TCP].window) == (
        7, 9, "PAU", 17,
    )  # fmt: skip


def test_error_quotes_the_last_packet_of_the_other_side(packets: list[Packet]) -> None:
    error = next(packet for packet in packets if ICMP in packet and packet[ICMP].type == 3)

    assert (error[IP].src, error[IP].dst) == ("198.51.100.20", "192.0.2.10")
    assert (error[IPerror].src, error[UDPerror].sport, error[UDPerror].dport) == (
        "192.0.2.10", 42000, 42001,
    )  # fmt: skip


def test_frames_of_a_repeated_block_differ_in_what_counts() -> None:
    found = packets_of(
        """\
packets:
  - repeat: 3
    packets: [{session: "udp client > server:53", as: s$n}, {client: question $n, in: s$n}]
"""
    )

    assert [(p[UDP].sport, p[UDP].load) for p in found] == [
        (40000, b"question 0"), (40001, b"question 1"), (40002, b"question 2"),
    ]  # fmt: skip


def test_checksum_of_a_datagram_that_sums_to_zero_goes_as_its_other_spelling() -> None:
    text = "packets: [session: 'udp client:9 > server:9', client: {hex: '%04x'}]"
    [frame] = build_frames(parse_scenario(text % 0))
    sum_of_the_rest = Ether(frame.data)[UDP].chksum

    # The data that brings the sum to 0xffff, whose complement is zero.
    [frame] = build_frames(parse_scenario(text % sum_of_the_rest))

    assert Ether(frame.data)[UDP].chksum == 0xFFFF


def test_time_goes_on_by_spacing_and_waits() -> None:
    frames = build_frames(
        parse_scenario(
            "spacing_us: 10\npackets: [open: tcp client > server:80, wait_ms: 5, client: a]"
        )
    )

    assert [frame.time_ns - frames[0].time_ns for frame in frames] == [0, 10_000, 20_000, 5_030_000]


def test_captures_are_read_back_by_scapy_and_by_ourselves(tmp_path: Path) -> None:
    text = "hosts: {server: {interface: outside}}\npackets: [open: tcp client > server:80]"
    frames = build_frames(parse_scenario(text))
    (tmp_path / "a.pcap").write_bytes(build_pcap(frames))
    (tmp_path / "a.pcapng").write_bytes(build_pcapng(frames))

    with RawPcapReader(str(tmp_path / "a.pcap")) as reader:
        classic = [data for data, _ in reader]
    with RawPcapNgReader(str(tmp_path / "a.pcapng")) as reader:
        modern = [(data, meta.ifname) for data, meta in reader]

    assert classic == [frame.data for frame in frames]
    assert modern == [(frame.data, frame.interface.encode()) for frame in frames]
    assert parse_pcap(build_pcap(frames, interface="outside"), interface="outside") == [frames[1]]


def test_checksum_is_that_of_the_rfc() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


def test_tshark_finds_no_wrong_checksum(tmp_path: Path) -> None:
    capture = tmp_path / "a.pcap"
    capture.write_bytes(build_pcap(build_frames(parse_scenario(EVERYTHING))))

    done = subprocess.run(
        [
            "tshark", "-r", capture, "-o", "ip.check_checksum:TRUE",
            "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-Y",
            "ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0 or "
            "icmp.checksum.status == 0 or icmpv6.checksum.status == 0 or _ws.malformed",
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip

    assert done.stdout == ""
