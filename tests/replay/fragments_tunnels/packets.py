# SPDX-License-Identifier: Apache-2.0
"""Fragments around a tunnel, inside of one, and both at once."""

from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet
from traffic import CLIENT, SERVER, Frame, Traffic, datagram, ethernet_there

NEAR, FAR = "203.0.113.1", "203.0.113.2"
INNER_MACS = {"src": "02:00:00:00:00:11", "dst": "02:00:00:00:00:12"}


def inner(port: int) -> Packet:
    return IP(src=CLIENT, dst=SERVER, id=port) / datagram(port, 53, bytes(range(200)) * 6)


def outer(identifier: int) -> Packet:
    return IP(src=NEAR, dst=FAR, id=identifier)


def frames() -> list[Frame]:
    traffic = Traffic()

    def add(packets: list[Packet]) -> None:
        for packet in packets:
            traffic.add(ethernet_there() / packet)

    add(fragment(outer(1) / GRE() / inner(5001), fragsize=800))
    add([outer(10 + i) / GRE() / piece for i, piece in enumerate(fragment(inner(5002), 800))])
    for i, piece in enumerate(reversed(fragment(inner(5003), 800))):
        add(fragment(outer(20 + i) / GRE() / piece, fragsize=400)[::-1])
    vxlan = UDP(sport=50000, dport=4789) / VXLAN(vni=42, flags="Instance") / Ether(**INNER_MACS)
    add(fragment(outer(30) / vxlan / inner(5004), fragsize=800))
    # The end of the inner one never comes.
    add(fragment(outer(40) / GRE() / fragment(inner(5005), 800)[0], fragsize=400))
    return traffic.frames
