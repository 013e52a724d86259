# SPDX-License-Identifier: Apache-2.0
"""A web session, a telnet session that goes on trying, DNS, ping over IPv6, OSPF."""

from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from traffic import (
    CLIENT,
    CLIENT6,
    SERVER,
    SERVER6,
    Conversation,
    Frame,
    Traffic,
    datagram,
    ethernet_there,
)


def frames() -> list[Frame]:
    traffic = Traffic()
    web = Conversation(traffic)
    web.open()
    web.exchange()
    web.exchange()
    web.close()
    telnet = Conversation(traffic, client_port=40001, server_port=23)
    telnet.open()
    traffic.there(datagram(5000, 53))
    traffic.back(datagram(53, 5000))
    traffic.there(datagram(5001, 53))
    ping, pong = ICMPv6EchoRequest(id=1), ICMPv6EchoReply(id=1)
    traffic.there(ping, source=CLIENT6, destination=SERVER6)
    traffic.back(pong, source=SERVER6, destination=CLIENT6)
    traffic.add(ethernet_there() / IP(src=CLIENT, dst=SERVER, proto=89) / (b"\0" * 24))
    traffic.wait(10)
    traffic.there(datagram(5000, 53))
    return traffic.frames
