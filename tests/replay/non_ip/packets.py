# SPDX-License-Identifier: Apache-2.0
"""ARP, LLDP-like and unknown EtherTypes; GRE-like and OSPF packets between the same two hosts."""

from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Ether
from traffic import (
    CLIENT,
    CLIENT_MAC,
    SERVER,
    SERVER_MAC,
    Frame,
    Traffic,
    ethernet_back,
    ethernet_there,
)


def frames() -> list[Frame]:
    traffic = Traffic()
    traffic.add(ethernet_there() / ARP(hwsrc=CLIENT_MAC, psrc=CLIENT, pdst=SERVER))
    traffic.add(ethernet_back() / ARP(op=2, hwsrc=SERVER_MAC, psrc=SERVER, pdst=CLIENT))
    traffic.add(Ether(src=CLIENT_MAC, dst="01:80:c2:00:00:0e", type=0x88CC) / (b"\0" * 46))
    traffic.add(Ether(src=CLIENT_MAC, dst=SERVER_MAC, type=0x1234) / (b"\0" * 46))
    traffic.add(ethernet_there() / IP(src=CLIENT, dst=SERVER, proto=89) / (b"\0" * 24))
    traffic.add(ethernet_back() / IP(src=SERVER, dst=CLIENT, proto=89) / (b"\0" * 24))
    traffic.add(ethernet_there() / IP(src=CLIENT, dst=SERVER, proto=132) / (b"\0" * 24))
    return traffic.frames
