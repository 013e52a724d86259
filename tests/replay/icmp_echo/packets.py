# SPDX-License-Identifier: Apache-2.0
"""Two pings over IPv4 with different identifiers, one over IPv6."""

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from traffic import CLIENT6, SERVER6, Frame, Traffic


def frames() -> list[Frame]:
    traffic = Traffic()
    for sequence in range(3):
        traffic.there(ICMP(type=8, id=100, seq=sequence) / b"ping")
        traffic.back(ICMP(type=0, id=100, seq=sequence) / b"ping")
    traffic.there(ICMP(type=8, id=200, seq=0) / b"ping")
    request, reply = ICMPv6EchoRequest(id=100), ICMPv6EchoReply(id=100)
    traffic.there(request, source=CLIENT6, destination=SERVER6)
    traffic.back(reply, source=SERVER6, destination=CLIENT6)
    return traffic.frames
