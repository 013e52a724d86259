# SPDX-License-Identifier: Apache-2.0
"""One session that any sensible policy would allow."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from traffic import Frame, from_packets


def frames() -> list[Frame]:
    """A question and its answer."""
    client, server = "192.0.2.10", "198.51.100.10"
    # Link addresses are fixed, or scapy would ask the network for them.
    there = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=client, dst=server)
    back = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") / IP(src=server, dst=client)
    packets = [
        there / UDP(sport=40000, dport=53) / Raw(b"question"),
        back / UDP(sport=53, dport=40000) / Raw(b"answer"),
    ]
    for position, frame in enumerate(packets):
        frame.time = 1_700_000_000.0 + position
    return from_packets(packets)
