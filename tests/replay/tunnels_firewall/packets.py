# SPDX-License-Identifier: Apache-2.0
"""Web and telnet, each in four kinds of tunnels and in none; and tunnels that are broken."""

from collections.abc import Callable

from scapy.contrib.gtp import GTP_U_Header
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from traffic import (
    CLIENT,
    SERVER,
    Frame,
    Traffic,
    ethernet_back,
    ethernet_there,
    network,
)

NEAR, FAR = "203.0.113.1", "203.0.113.2"
INNER_MACS = {"src": "02:00:00:00:00:11", "dst": "02:00:00:00:00:12"}

Wrap = Callable[[Packet, bool], Packet]


def outer(there: bool) -> Packet:
    return network(NEAR, FAR) if there else network(FAR, NEAR)


def vxlan(inner: Packet, there: bool) -> Packet:
    ports = UDP(sport=50000 + there, dport=4789)
    return outer(there) / ports / VXLAN(vni=42, flags="Instance") / Ether(**INNER_MACS) / inner


def gre(inner: Packet, there: bool) -> Packet:
    return outer(there) / GRE(key_present=1, key=100 + there) / inner


def gtp(inner: Packet, there: bool) -> Packet:
    return outer(there) / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7 + there) / inner


def ipip(inner: Packet, there: bool) -> Packet:
    return outer(there) / inner


def none(inner: Packet, there: bool) -> Packet:
    return inner


TUNNELS: list[Wrap] = [vxlan, gre, gtp, ipip, none]


def segment(port: int, server_port: int, flags: str, there: bool) -> Packet:
    if there:
        tcp = TCP(sport=port, dport=server_port, flags=flags, seq=1000 + (flags == "A"), ack=5001)
        return network(CLIENT, SERVER) / tcp
    return network(SERVER, CLIENT) / TCP(
        sport=server_port, dport=port, flags=flags, seq=5000, ack=1001
    )


def handshake(traffic: Traffic, wrap: Wrap, port: int) -> None:
    for flags, there in (("S", True), ("SA", False), ("A", True)):
        link = ethernet_there() if there else ethernet_back()
        traffic.add(link / wrap(segment(port, 80, flags, there), there))


def frames() -> list[Frame]:
    traffic = Traffic()
    for position, wrap in enumerate(TUNNELS):
        handshake(traffic, wrap, 40000 + position)
        traffic.add(ethernet_there() / wrap(segment(41000 + position, 23, "S", True), True))
    traffic.add(ethernet_there() / outer(True) / GRE(version=3) / IP(src=CLIENT, dst=SERVER))
    broken = IP(src=CLIENT, dst=SERVER, len=999) / TCP(sport=42000, dport=80)
    traffic.add(ethernet_there() / vxlan(broken, True))
    traffic.add(ethernet_there() / outer(True) / UDP(sport=50000, dport=4789) / Raw(b"no tunnel"))
    return traffic.frames
