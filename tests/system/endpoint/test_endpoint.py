# SPDX-License-Identifier: Apache-2.0
"""The endpoint is the kernel's own, and what Stellar is said to inspect is what it inspects."""

import socket
from pathlib import Path

import pytest
from host import ADDRESS, ADDRESS6, PEER, PEER6, Host
from inspection import inspect
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6

pytestmark = pytest.mark.root

PORT = 9000


@pytest.mark.parametrize(
    ("family", "network"),
    [
        (socket.AF_INET, IP(src=PEER, dst=ADDRESS)),
        (socket.AF_INET6, IPv6(src=PEER6, dst=ADDRESS6)),
    ],
    ids=["ipv4", "ipv6"],
)
def test_datagram_is_received_and_inspected_alike(
    host: Host, tmp_path: Path, family: socket.AddressFamily, network: IP
) -> None:
    packet = bytes(network / UDP(sport=1000, dport=PORT) / b"the same bytes")

    with host.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("", PORT))
        host.inject(packet)
        received, sender = receiver.recvfrom(100)
    calls = inspect([packet], tmp_path).calls

    assert sender[1] == 1000
    assert [(call.event, call.source_port, call.data) for call in calls] == [
        ("udp_data", 1000, received)
    ]
    assert received == b"the same bytes"


def test_handshake_is_answered_at_once(host: Host) -> None:
    syn = IP(src=PEER, dst=ADDRESS) / TCP(sport=1000, dport=PORT, flags="S", seq=7)

    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("", PORT))
        listener.listen()
        host.answers()
        host.inject(bytes(syn))
        (answer,) = (IP(packet) for packet in host.answers() if packet[0] >> 4 == 4)

    assert str(answer[TCP].flags) == "SA" and answer[TCP].ack == 8


def test_counters_are_those_of_the_host(host: Host) -> None:
    before = host.read_counters()["Udp.NoPorts"]

    host.inject(bytes(IP(src=PEER, dst=ADDRESS) / UDP(sport=1, dport=1) / b"x"))

    assert host.read_counters()["Udp.NoPorts"] == before + 1
