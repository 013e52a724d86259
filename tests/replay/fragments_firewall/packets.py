# SPDX-License-Identifier: Apache-2.0
"""Fragmented datagrams and segments that a policy allows, drops or rejects."""

from scapy.layers.inet import IP, TCP, fragment
from scapy.packet import Packet
from traffic import CLIENT, SERVER, Frame, Traffic, datagram, ethernet_there


def frames() -> list[Frame]:
    traffic = Traffic()

    def add(identifier: int, body: Packet) -> None:
        whole = IP(src=CLIENT, dst=SERVER, id=identifier) / body
        for piece in reversed(fragment(whole, fragsize=512)):
            traffic.add(ethernet_there() / piece)

    add(1, datagram(5001, 53, b"x" * 1200))
    add(2, datagram(5002, 69, b"x" * 1200))
    add(3, datagram(5003, 161, b"x" * 1200))
    add(4, TCP(sport=5004, dport=23, flags="S", seq=1000) / (b"x" * 600))
    # The session is blocked by now.
    add(5, datagram(5003, 161, b"y" * 1200))
    return traffic.frames
