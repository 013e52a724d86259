# SPDX-License-Identifier: Apache-2.0
"""Sessions that stop; ticks of another session move the clock past each limit in turn."""

from scapy.layers.inet import ICMP
from traffic import Conversation, Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    Conversation(traffic, client_port=40001).there("S")
    Conversation(traffic, client_port=40002).open()
    traffic.there(datagram(2001, 53))
    traffic.there(datagram(2002, 53))
    traffic.back(datagram(53, 2002))
    traffic.there(ICMP(id=7, seq=1))
    for _ in range(8):
        traffic.wait(25)
        traffic.there(datagram(3000, 123))
    traffic.there(datagram(2001, 53))  # a new session: the old one is over
    return traffic.frames
