# SPDX-License-Identifier: Apache-2.0
"""Datagrams whose fragments come in reverse, twice, too slowly, or not all of them."""

from itertools import pairwise

from scapy.layers.inet import IP, fragment
from scapy.packet import Packet
from traffic import CLIENT, SERVER, Frame, Traffic, datagram, ethernet_there


def pieces(identifier: int, port: int) -> list[Packet]:
    """Three fragments of a datagram."""
    whole = IP(src=CLIENT, dst=SERVER, id=identifier) / datagram(port, 53, bytes(range(200)) * 6)
    return list(fragment(whole, fragsize=512))


def frames() -> list[Frame]:
    traffic = Traffic()

    def add(each: list[Packet]) -> None:
        for piece in each:
            traffic.add(ethernet_there() / piece)

    add(pieces(1, 5001)[::-1])
    add([piece for piece in pieces(2, 5002) for _ in range(2)][:-1])
    for one, other in pairwise(pieces(3, 5003)):
        add([one, other])
    add(pieces(4, 5004)[:2])
    traffic.wait(30)
    # Too late for the first two, and the third is of a datagram of its own.
    add(pieces(4, 5004)[2:])
    # The engine ends with these in hand.
    add(pieces(5, 5005)[1:])
    return traffic.frames
