# SPDX-License-Identifier: Apache-2.0
"""One whole datagram, and one packet of each kind of damage: headers cut short or contradictory."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q
from traffic import (
    CLIENT,
    CLIENT6,
    SERVER,
    SERVER6,
    Frame,
    Traffic,
    datagram,
    ethernet_there,
    network,
)


def cut(traffic: Traffic, layers: object, length: int) -> None:
    traffic.raw(bytes(ethernet_there() / layers)[: 14 + length])


def frames() -> list[Frame]:
    traffic = Traffic()
    link = ethernet_there()
    v4, v6 = network(CLIENT, SERVER), network(CLIENT6, SERVER6)
    traffic.there(datagram(5000, 53))
    traffic.raw(bytes(link)[:9])  # link_truncated
    traffic.raw(bytes(link / Dot1Q(vlan=5))[:16])  # vlan_truncated
    cut(traffic, ARP(), 20)  # arp_malformed
    cut(traffic, v4 / datagram(5000, 53), 12)  # ipv4_truncated
    traffic.raw(bytes(link / IP(src=CLIENT, dst=SERVER, version=5)))  # ipv4_version_wrong
    traffic.add(link / IP(src=CLIENT, dst=SERVER, ihl=4, proto=17))  # ipv4_header_length_wrong
    traffic.add(link / IP(src=CLIENT, dst=SERVER, len=900) / UDP())  # ipv4_total_length_wrong
    cut(traffic, v6 / datagram(5000, 53), 30)  # ipv6_truncated
    traffic.add(
        link / IPv6(src=CLIENT6, dst=SERVER6, plen=900) / UDP()
    )  # ipv6_payload_length_wrong
    traffic.add(link / v4 / TCP(flags="S", dataofs=3))  # tcp_header_length_wrong
    traffic.add(link / IP(src=CLIENT, dst=SERVER, proto=6) / b"12345678")  # tcp_truncated
    traffic.add(link / IP(src=CLIENT, dst=SERVER, proto=17) / b"1234")  # udp_truncated
    traffic.add(link / v4 / UDP(len=4))  # udp_length_wrong
    traffic.add(link / IP(src=CLIENT, dst=SERVER, proto=1) / b"12")  # icmp_truncated
    traffic.add(link / IPv6(src=CLIENT6, dst=SERVER6, nh=58) / b"12")  # icmpv6_truncated
    return traffic.frames
