# SPDX-License-Identifier: Apache-2.0
"""What Stellar inspects of fragmented datagrams is what a real Linux endpoint receives."""

import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fragments import ICMP, PORT, UDP, Case, all_cases
from host import Host, missing_device
from inspection import Call, inspect
from scapy.utils import RawPcapReader

pytestmark = pytest.mark.root

ROOM = str(1 << 30)  # incomplete datagrams of thousands of cases
ECHO_REPLY = {4: 0, 6: 129}
Bytes = dict[int, list[bytes]]
"""Payloads by port, or by the identifier of an echo."""


@pytest.fixture
def host() -> Iterator[Host]:
    """One of each test's own: what is incomplete stays in it."""
    reason = missing_device()
    if reason:
        pytest.skip(reason)
    names = ("ipv4/ipfrag_high_thresh", "ipv6/ip6frag_high_thresh")
    with Host({name: ROOM for name in names}) as host:
        yield host


def receive_datagrams(host: Host, version: int, packets: Sequence[bytes]) -> Bytes:
    """What a UDP socket of the host reads."""
    found: Bytes = defaultdict(list)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with host.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("", PORT))
        for packet in packets:
            host.inject(packet)
            try:
                data, sender = receiver.recvfrom(1 << 16)
            except BlockingIOError:
                continue
            found[sender[1]].append(data)
        host.answers()
    return found


def receive_echoes(host: Host, version: int, packets: Sequence[bytes]) -> Bytes:
    """What the host sends back."""
    found: Bytes = defaultdict(list)
    header = 20 if version == 4 else 40
    host.answers()
    for packet in packets:
        host.inject(packet)
        for answer in host.answers():
            message = answer[header:]
            if answer[0] >> 4 == version and message[0] == ECHO_REPLY[version]:
                found[int.from_bytes(message[4:6], "big")].append(message[8:])
    return found


def inspected(calls: Sequence[Call]) -> Bytes:
    """What the plugin was shown."""
    found: Bytes = defaultdict(list)
    for call in calls:
        found[call.source_port].append(call.data)
    return found


def differences(cases: Sequence[Case], theirs: Bytes, ours: Bytes) -> list[str]:
    return [
        f"{case.what}: received {theirs.get(case.port, [])}, inspected {ours.get(case.port, [])}"
        for case in cases
        if theirs.get(case.port, []) != ours.get(case.port, [])
    ]


RECEIVE = {UDP: receive_datagrams, ICMP: receive_echoes}
EVENT = {UDP: "udp_data", ICMP: "session_packet"}


@pytest.mark.parametrize("protocol", [UDP, ICMP], ids=["udp", "icmp"])
@pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
def test_bytes_inspected_on_a_tap_are_those_received(
    host: Host, tmp_path: Path, version: int, protocol: int
) -> None:
    cases = all_cases(version, protocol)
    packets = [packet for case in cases for packet in case.packets]

    theirs = RECEIVE[protocol](host, version, packets)
    ours = inspected(inspect(packets, tmp_path, events=[EVENT[protocol]]).calls)

    assert differences(cases, theirs, ours) == []
    assert len(theirs) > len(cases) / 20


@pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
def test_bytes_inspected_inline_are_those_received_behind_it(
    host: Host, tmp_path: Path, version: int
) -> None:
    cases = all_cases(version, UDP)
    packets = [packet for case in cases for packet in case.packets]
    output = tmp_path / "output.pcap"

    ours = inspected(inspect(packets, tmp_path, inline=True, write=output).calls)
    with RawPcapReader(str(output)) as reader:
        theirs = receive_datagrams(host, version, [data for data, _ in reader])

    assert differences(cases, theirs, ours) == []
    assert len(theirs) > len(cases) / 20
