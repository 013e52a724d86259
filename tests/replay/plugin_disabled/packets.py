# SPDX-License-Identifier: Apache-2.0
"""Twenty sessions of one datagram, then an ARP frame."""

from scapy.layers.l2 import ARP
from traffic import Frame, Traffic, datagram, ethernet_there


def frames() -> list[Frame]:
    traffic = Traffic()
    for port in range(20):
        traffic.there(datagram(5000 + port, 7000))
    traffic.add(ethernet_there() / ARP())
    return traffic.frames
