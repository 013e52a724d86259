# SPDX-License-Identifier: Apache-2.0
"""Clients that knock, and come in or do not."""

from scapy.layers.inet import TCP
from traffic import SERVER6, Frame, Traffic, datagram

ORDER = (7000, 8000, 9000)
GUARDED = 2222
OTHER_SERVER = "198.51.100.21"


def frames() -> list[Frame]:
    traffic = Traffic()
    for host in range(10, 26):
        knock(traffic, f"192.0.2.{host}", ORDER)
        enter(traffic, f"192.0.2.{host}")
    knock(traffic, "192.0.2.30", (8000, 7000, 9000))
    enter(traffic, "192.0.2.30")
    enter(traffic, "192.0.2.31")
    knock(traffic, "2001:db8:1::10", ORDER, server=SERVER6)
    enter(traffic, "2001:db8:1::10", server=SERVER6)
    knock(traffic, "192.0.2.32", ORDER)
    enter(traffic, "192.0.2.32", server=OTHER_SERVER)
    knock(traffic, "192.0.2.33", (7000, 7000, 8000, 9000))
    enter(traffic, "192.0.2.33")
    knock(traffic, "192.0.2.34", ORDER[:2])
    traffic.wait(2)
    knock(traffic, "192.0.2.34", ORDER[2:])
    enter(traffic, "192.0.2.34")
    enter(traffic, "192.0.2.10", port=6001)
    return traffic.frames


def knock(
    traffic: Traffic, client: str, ports: tuple[int, ...], server: str = "198.51.100.20"
) -> None:
    """A datagram, a SYN, a datagram; each of a session of its own."""
    for place, port in enumerate(ports):
        layers = datagram(5000 + place, port)
        if place == 1:
            layers = TCP(sport=5000, dport=port, flags="S", seq=1)
        traffic.there(layers, source=client, destination=server)


def enter(
    traffic: Traffic, client: str, server: str = "198.51.100.20", *, port: int = 6000
) -> None:
    """Two packets to the guarded port."""
    for _ in range(2):
        traffic.there(datagram(port, GUARDED), source=client, destination=server)
