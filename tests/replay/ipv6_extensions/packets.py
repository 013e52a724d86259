# SPDX-License-Identifier: Apache-2.0
"""TCP and UDP behind extension headers; one packet has hop-by-hop options in the wrong place."""

from scapy.layers.inet import TCP
from scapy.layers.inet6 import (
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.packet import Packet
from traffic import CLIENT6, SERVER6, Frame, Traffic, datagram


def hop_by_hop() -> Packet:
    return IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])


def options() -> Packet:
    return IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])


def frames() -> list[Frame]:
    traffic = Traffic()
    syn = TCP(sport=40000, dport=443, flags="S", seq=1)
    answer = TCP(sport=443, dport=40000, flags="SA", seq=9, ack=2)
    traffic.there(hop_by_hop() / options() / syn, source=CLIENT6, destination=SERVER6)
    traffic.back(options() / answer, source=SERVER6, destination=CLIENT6)
    routed = IPv6ExtHdrRouting(type=4, segleft=0) / datagram(5000, 53)
    traffic.there(routed, source=CLIENT6, destination=SERVER6)
    late = options() / hop_by_hop() / datagram(5001, 53)
    traffic.there(late, source=CLIENT6, destination=SERVER6)
    return traffic.frames
