# SPDX-License-Identifier: Apache-2.0
"""One question and answer untagged, in VLAN 10, in VLAN 20, and in VLAN 10 of service VLAN 30."""

from scapy.layers.l2 import Dot1AD, Dot1Q
from scapy.packet import Packet
from traffic import (
    CLIENT,
    SERVER,
    Frame,
    Traffic,
    datagram,
    ethernet_back,
    ethernet_there,
    network,
)


def tags() -> list[list[Packet]]:
    return [[], [Dot1Q(vlan=10)], [Dot1Q(vlan=20)], [Dot1AD(vlan=30), Dot1Q(vlan=10)]]


def stack(link: Packet, layers: list[Packet], inner: Packet) -> Packet:
    for layer in layers:
        link = link / layer
    return link / inner


def frames() -> list[Frame]:
    traffic = Traffic()
    question = network(CLIENT, SERVER) / datagram(5000, 53)
    answer = network(SERVER, CLIENT) / datagram(53, 5000)
    for layers in tags():
        traffic.add(stack(ethernet_there(), layers, question))
    for layers in tags():
        traffic.add(stack(ethernet_back(), layers, answer))
    return traffic.frames
