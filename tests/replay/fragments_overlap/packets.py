# SPDX-License-Identifier: Apache-2.0
"""Fragments that overlap, contradict each other or say nothing, over IPv4 and IPv6."""

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Packet
from traffic import CLIENT, CLIENT6, SERVER, SERVER6, Frame, Traffic, datagram, ethernet_there

BODY = bytes(datagram(5000, 53, b"a" * 40))[:6] + bytes(2) + b"a" * 40
"""Six units of 8 bytes: a UDP datagram without a checksum."""


SEGMENT = bytes(IP(src=CLIENT, dst=SERVER) / TCP(sport=5000, dport=80, flags="S"))[20:]


def four(identifier: int, first: int, data: bytes, *, more: bool = True, proto: int = 17) -> Packet:
    flags = "MF" if more else 0
    return IP(src=CLIENT, dst=SERVER, id=identifier, proto=proto, frag=first, flags=flags) / data


def six(identifier: int, first: int, data: bytes, *, more: bool = True) -> Packet:
    header = IPv6ExtHdrFragment(id=identifier, offset=first, m=int(more), nh=17)
    return IPv6(src=CLIENT6, dst=SERVER6) / header / data


def frames() -> list[Frame]:
    traffic = Traffic()
    for piece in (
        # Overlap: the third gives other bytes for what the second gave.
        four(1, 0, BODY[:16]), four(1, 2, BODY[16:32]), four(1, 3, b"x" * 16),
        # Two ends.
        four(2, 0, BODY[:16]), four(2, 3, BODY[:8], more=False), four(2, 4, BODY[:8], more=False),
        # A piece of nothing.
        four(3, 0, BODY[:16]), four(3, 2, b""),
        # IPv6: overlap.
        six(1, 0, BODY[:16]), six(1, 1, BODY[8:24]),
        # A first fragment without all of its TCP header: with IPv4 notable, with IPv6 forbidden.
        four(4, 1, SEGMENT[8:], more=False, proto=6), four(4, 0, SEGMENT[:8], proto=6),
        IPv6(src=CLIENT6, dst=SERVER6) / IPv6ExtHdrFragment(id=9, m=1, nh=6) / (b"\0" * 8),
    ):  # fmt: skip
        traffic.add(ethernet_there() / piece)
    return traffic.frames
