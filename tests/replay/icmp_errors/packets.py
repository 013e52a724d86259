# SPDX-License-Identifier: Apache-2.0
"""Sessions, and what a router says about their packets."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Dot1Q
from scapy.packet import Packet
from traffic import (
    CLIENT,
    CLIENT6,
    SERVER,
    SERVER6,
    Conversation,
    Frame,
    Traffic,
    datagram,
    ethernet_back,
    ethernet_there,
)

ROUTER, ROUTER6, STRANGER = "203.0.113.9", "2001:db8:9::9", "192.0.2.77"


def quoted(transport: Packet, *, source: str = CLIENT, destination: str = SERVER) -> bytes:
    """The first bytes of a packet, as a router quotes it: its header and eight more."""
    return bytes(IP(src=source, dst=destination, id=1) / transport)[:28]


def frames() -> list[Frame]:
    traffic = Traffic()
    web = Conversation(traffic)
    web.open()
    web.there("PA", b"request")
    lost = TCP(sport=40000, dport=80, seq=web.sent - 7, flags="PA")
    forged = TCP(sport=40000, dport=80, seq=web.sent + 100_000, flags="PA")
    traffic.back(ICMP(type=3, code=4) / quoted(lost), source=ROUTER)
    traffic.back(ICMP(type=3, code=1) / quoted(forged), source=ROUTER)
    traffic.back(ICMP(type=3, code=1) / quoted(lost), source=ROUTER, destination=STRANGER)
    web.back("PA", b"response")
    traffic.there(datagram(5001, 53, b"question"))
    traffic.back(ICMP(type=11) / quoted(UDP(sport=5001, dport=53)), source=ROUTER)
    traffic.back(ICMP(type=3, code=3) / quoted(UDP(sport=5999, dport=53)), source=ROUTER)
    _in_vlan(traffic)
    _over_ipv6(traffic)
    return traffic.frames


def _in_vlan(traffic: Traffic) -> None:
    question = IP(src=CLIENT, dst=SERVER, id=1) / datagram(5002, 53, b"question")
    error = IP(src=ROUTER, dst=CLIENT, id=1) / ICMP(type=3, code=3) / bytes(question)[:28]
    traffic.add(ethernet_there() / Dot1Q(vlan=7) / question)
    traffic.add(ethernet_back() / Dot1Q(vlan=7) / error)
    traffic.add(ethernet_back() / Dot1Q(vlan=8) / error)


def _over_ipv6(traffic: Traffic) -> None:
    question = datagram(5003, 53, b"question")
    traffic.there(question, source=CLIENT6, destination=SERVER6)
    whole = bytes(IPv6(src=CLIENT6, dst=SERVER6) / question)
    for error in (ICMPv6PacketTooBig(mtu=1280), ICMPv6DestUnreach(code=4)):
        traffic.back(error / whole, source=ROUTER6, destination=CLIENT6)
