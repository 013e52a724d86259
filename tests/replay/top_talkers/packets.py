# SPDX-License-Identifier: Apache-2.0
"""Three seconds: few sources, none at all, then more than the table has room for."""

from scapy.layers.l2 import ARP
from traffic import CLIENT6, SERVER6, Frame, Traffic, datagram, ethernet_there


def frames() -> list[Frame]:
    traffic = Traffic()
    traffic.there(datagram(5000, 53, b"x" * 100), source="192.0.2.1")
    traffic.there(datagram(5000, 53, b"x" * 400), source="192.0.2.2")
    traffic.back(datagram(53, 5000, b"x" * 200), destination="192.0.2.1")
    traffic.there(datagram(5000, 53, b"x" * 100), source="192.0.2.3")
    traffic.there(datagram(5000, 53, b"x" * 250), source=CLIENT6, destination=SERVER6)
    traffic.add(ethernet_there() / ARP(psrc="192.0.2.1", pdst="198.51.100.20"))
    traffic.wait(3.5)
    # 30 sources and 4 places: the two that send most stay, whatever comes between.
    for host in range(100, 130):
        traffic.there(datagram(5000, 53, b"x" * 10), source=f"192.0.2.{host}")
        for heavy in ("192.0.2.7", "192.0.2.8"):
            traffic.there(datagram(5000, 53, b"x" * 500), source=heavy)
    traffic.wait(1)
    traffic.there(datagram(5000, 53, b"last"), source="192.0.2.1")
    return traffic.frames
