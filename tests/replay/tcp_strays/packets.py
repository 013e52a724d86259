# SPDX-License-Identifier: Apache-2.0
"""A RST of nobody, a blind RST far outside of the window, and data far outside of it."""

from scapy.layers.inet import TCP
from traffic import Conversation, Frame, Traffic


def frames() -> list[Frame]:
    traffic = Traffic()
    traffic.there(TCP(sport=41000, dport=80, flags="R", seq=7))
    web = Conversation(traffic)
    web.open()
    web.exchange()
    traffic.there(TCP(sport=40000, dport=80, flags="R", seq=0x70000000))
    traffic.back(TCP(sport=80, dport=40000, flags="PA", seq=0x70000000, ack=web.sent) / b"blind")
    web.exchange()
    return traffic.frames
