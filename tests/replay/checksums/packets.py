# SPDX-License-Identifier: Apache-2.0
"""Each checksum once wrong; and what is right."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest
from traffic import CLIENT, CLIENT6, SERVER, SERVER6, Frame, Traffic, datagram, ethernet_there


def frames() -> list[Frame]:
    traffic = Traffic()
    traffic.there(datagram(5000, 53))
    traffic.there(UDP(sport=5001, dport=53, chksum=0) / b"x")
    header = IP(src=CLIENT, dst=SERVER, chksum=0x1234)
    traffic.add(ethernet_there() / header / datagram(5002, 53))
    traffic.there(TCP(sport=40000, dport=80, flags="S", chksum=0x1234))
    traffic.there(UDP(sport=5003, dport=53, chksum=0x1234) / b"x")
    traffic.there(ICMP(chksum=0x1234))
    echo = ICMPv6EchoRequest(cksum=0x1234)
    traffic.there(echo, source=CLIENT6, destination=SERVER6)
    return traffic.frames
