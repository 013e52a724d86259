# SPDX-License-Identifier: Apache-2.0
"""One question and answer in each of several virtual networks, with the same addresses in all."""

from collections.abc import Callable

from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.layers.inet import UDP
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
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

NEAR, FAR = "2001:db8:f::1", "2001:db8:f::2"
MACS = {"src": "02:00:00:00:00:11", "dst": "02:00:00:00:00:12"}

Wrap = Callable[[Packet, bool], Packet]


def outer(there: bool) -> Packet:
    return network(NEAR, FAR) if there else network(FAR, NEAR)


def vxlan(network_id: int) -> Wrap:
    return lambda inner, there: (
        outer(there)
        / UDP(sport=50000 + there, dport=4789, chksum=0)
        / VXLAN(vni=network_id, flags="Instance")
        / Ether(**MACS)
        / inner
    )


def vxlan_with_vlan(inner: Packet, there: bool) -> Packet:
    return vxlan(1)(Dot1Q(vlan=5) / inner, there)


def geneve(inner: Packet, there: bool) -> Packet:
    ports = UDP(sport=50000 + there, dport=6081)
    return outer(there) / ports / GENEVE(vni=1, proto=0x6558) / Ether(**MACS) / inner


def nvgre(inner: Packet, there: bool) -> Packet:
    key = 0x1000 << 8 | there  # subnet, and a number that spreads load
    return outer(there) / GRE(key_present=1, key=key) / Ether(**MACS) / inner


def directed(inner: Packet, there: bool) -> Packet:
    ports = UDP(sport=2152, dport=2152)
    gre = GRE(key_present=1, key=100 + there)
    return outer(there) / gre / outer(there) / ports / GTP_U_Header(teid=7 + there) / inner


def none(inner: Packet, there: bool) -> Packet:
    return inner


NETWORKS: list[Wrap] = [vxlan(1), vxlan(2), vxlan_with_vlan, geneve, nvgre, none]


def frames() -> list[Frame]:
    traffic = Traffic()
    for port, wraps in ((5000, NETWORKS), (6000, [directed])):
        for wrap in wraps:
            traffic.add(ethernet_there() / wrap(network(CLIENT, SERVER) / datagram(port, 53), True))
        for wrap in wraps:
            traffic.add(ethernet_back() / wrap(network(SERVER, CLIENT) / datagram(53, port), False))
    return traffic.frames
