# SPDX-License-Identifier: Apache-2.0
"""A handshake and a telnet attempt through each of three tunnels."""

from collections.abc import Callable

from scapy.contrib.gtp import GTP_U_Header
from scapy.layers.inet import TCP, UDP
from scapy.layers.l2 import GRE
from scapy.packet import Packet
from traffic import CLIENT, SERVER, Frame, Traffic, ethernet_back, ethernet_there, network

NEAR, FAR = "203.0.113.1", "203.0.113.2"


def gre(inner: Packet) -> Packet:
    return GRE() / inner


def gtp(inner: Packet) -> Packet:
    return UDP(sport=2152, dport=2152) / GTP_U_Header(teid=7) / inner


def ipip(inner: Packet) -> Packet:
    return inner


def frames() -> list[Frame]:
    traffic = Traffic()
    for position, wrap in enumerate((gre, gtp, ipip)):
        port = 40000 + position
        _there(traffic, wrap, TCP(sport=port, dport=80, flags="S", seq=1000))
        _back(traffic, wrap, TCP(sport=80, dport=port, flags="SA", seq=5000, ack=1001))
        _there(traffic, wrap, TCP(sport=port, dport=80, flags="A", seq=1001, ack=5001))
        _there(traffic, wrap, TCP(sport=port, dport=23, flags="S", seq=1000))
    return traffic.frames


def _there(traffic: Traffic, wrap: Callable[[Packet], Packet], segment: Packet) -> None:
    inner = network(CLIENT, SERVER) / segment
    traffic.add(ethernet_there() / network(NEAR, FAR) / wrap(inner))


def _back(traffic: Traffic, wrap: Callable[[Packet], Packet], segment: Packet) -> None:
    inner = network(SERVER, CLIENT) / segment
    traffic.add(ethernet_back() / network(FAR, NEAR) / wrap(inner))
