# SPDX-License-Identifier: Apache-2.0
"""Sessions that each rule of the policy judges, one after the other."""

from itertools import count

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from traffic import Frame, from_packets

BEGIN = 1_700_000_000.0
CLIENT, SERVER, STRANGER = "192.0.2.10", "198.51.100.10", "203.0.113.5"
CLIENT6, SERVER6 = "2001:db8:1::10", "2001:db8:2::10"
# Fixed, or scapy would ask the network for them.
CLIENT_LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
SERVER_LINK = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")


def _web(there: Packet, back: Packet, port: int) -> list[Packet]:
    """A whole TCP session: handshake, question, answer, both sides close."""
    client, server = {"sport": 40000, "dport": port}, {"sport": port, "dport": 40000}
    return [
        there / TCP(**client, flags="S", seq=100),
        back / TCP(**server, flags="SA", seq=900, ack=101),
        there / TCP(**client, flags="A", seq=101, ack=901),
        there / TCP(**client, flags="PA", seq=101, ack=901) / Raw(b"question"),
        back / TCP(**server, flags="PA", seq=901, ack=109) / Raw(b"answer"),
        there / TCP(**client, flags="FA", seq=109, ack=907),
        back / TCP(**server, flags="FA", seq=907, ack=110),
        there / TCP(**client, flags="A", seq=110, ack=908),
    ]


def frames() -> list[Frame]:
    """The frames, 10 ms apart, the last one 5 minutes later."""
    there = CLIENT_LINK / IP(src=CLIENT, dst=SERVER)
    back = SERVER_LINK / IP(src=SERVER, dst=CLIENT)
    there6 = CLIENT_LINK / IPv6(src=CLIENT6, dst=SERVER6)
    back6 = SERVER_LINK / IPv6(src=SERVER6, dst=CLIENT6)
    from_stranger = SERVER_LINK / IP(src=STRANGER, dst=CLIENT)
    packets = [
        *_web(there, back, 80),
        *_web(there6, back6, 8080),
        # Rejected; the second SYN meets a session that is blocked already.
        there / TCP(sport=40001, dport=23, flags="S", seq=1),
        there / TCP(sport=40001, dport=23, flags="S", seq=1),
        there6 / TCP(sport=40001, dport=23, flags="S", seq=1),
        there / UDP(sport=40002, dport=53) / Raw(b"query"),
        # Allowed by type: the request is, a timestamp request is not.
        there / ICMP(type=8, id=7, seq=1) / Raw(b"ping"),
        back / ICMP(type=0, id=7, seq=1) / Raw(b"ping"),
        there / ICMP(type=13, id=8, seq=1),
        # Dropped: another server, another port, from outside.
        CLIENT_LINK / IP(src=CLIENT, dst=STRANGER) / TCP(sport=40003, dport=80, flags="S", seq=1),
        there / TCP(sport=40004, dport=8081, flags="S", seq=1),
        from_stranger / TCP(sport=40005, dport=22, flags="S", seq=1),
        from_stranger / TCP(sport=40006, dport=80, flags="S", seq=1),
    ]
    for frame, position in zip(packets, count(), strict=False):
        frame.time = BEGIN + position / 100
    packets[-1].time += 300  # what is over by then closes for its own reason
    return from_packets(packets)
