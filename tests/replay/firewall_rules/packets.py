# SPDX-License-Identifier: Apache-2.0
"""A session for each rule, and one that no rule matches."""

from scapy.layers.inet import ICMP
from traffic import Conversation, Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    web = Conversation(traffic, client_port=40001, server_port=80)
    web.open()
    web.exchange()
    telnet = Conversation(traffic, client_port=40002, server_port=23)
    telnet.there("S")
    telnet.sent -= 1
    telnet.there("S")  # again: the answer is lost on the way
    traffic.there(datagram(5000, 161))
    traffic.there(datagram(5001, 69))
    traffic.there(datagram(5001, 69))
    traffic.there(ICMP(type=8, id=1))
    traffic.back(ICMP(type=0, id=1))
    other = Conversation(traffic, client_port=40003, server_port=8080)
    other.there("S")
    traffic.back(datagram(7000, 7001))  # from outside: no rule lets it in
    return traffic.frames
