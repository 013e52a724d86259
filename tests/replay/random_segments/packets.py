# SPDX-License-Identifier: Apache-2.0
"""Four thousand packets that chance made, over few ports, with gaps in time; from a fixed seed."""

import random

from scapy.layers.inet import ICMP, TCP
from scapy.packet import Packet
from traffic import Frame, Traffic, datagram

FLAGS = ("S", "SA", "A", "PA", "FA", "R", "RA", "", "SF", "SR", "FPU")
PACKETS = 4000
PORTS = 30


def segment(chance: random.Random, port: int, *, is_answer: bool) -> Packet:
    near = chance.choice((0, 1, 2, 100, 70000, 0x7FFFFFFF))
    ports = {"sport": 80, "dport": port} if is_answer else {"sport": port, "dport": 80}
    data = b"x" * chance.choice((0, 0, 1, 100))
    return TCP(**ports, flags=chance.choice(FLAGS), seq=1000 + near, ack=1000 + near) / data


def frames() -> list[Frame]:
    chance = random.Random(7)
    traffic = Traffic()
    for _ in range(PACKETS):
        port = 1000 + chance.randrange(PORTS)
        is_answer = chance.random() < 0.4
        kind = chance.random()
        if kind < 0.7:
            packet = segment(chance, port, is_answer=is_answer)
        elif kind < 0.9:
            packet = datagram(53, port) if is_answer else datagram(port, 53)
        else:
            packet = ICMP(type=0 if is_answer else 8, id=port, seq=1)
        (traffic.back if is_answer else traffic.there)(packet)
        if chance.random() < 0.01:
            traffic.wait(chance.choice((0.5, 3, 40, 200)))
    return traffic.frames
