# SPDX-License-Identifier: Apache-2.0
"""TCP cases by chance: short scripts around the edges, the same ones for the same seed."""

import random
from collections.abc import Iterator

from tcp_case import (
    ACK,
    EDGE,
    FIN,
    FINISH,
    PSH,
    RST,
    START,
    SYN,
    URG,
    Case,
    Reads,
    Segment,
    Sends,
    Shuts,
    Step,
    letters,
)  # fmt: skip

_FLAGS = (ACK,) * 12 + (ACK | PSH, ACK | URG, ACK | FIN, RST, RST | ACK, SYN, SYN | ACK, 0, FIN)


def random_cases(seed: int, count: int) -> Iterator[Case]:
    """`count` cases; each depends on its number and the seed alone."""
    for number in range(count):
        chance = random.Random(f"{seed}-{number}")
        steps = [_step(chance, mark) for mark in range(chance.randint(2, 9))]
        yield Case(
            f"random {seed}-{number}",
            (*steps, Segment(0, letters(0, 24, 15), time=3)),
            role=chance.choice(("server", "client")),
            timestamps=chance.random() < 0.3,
            first=chance.choice((1_000_000, 2**32 - 10, 2**31 - 8)),
            scale=chance.choice((None, None, 0, 7)),
            receive_bytes=chance.choice((0, 0, 2304)),
        )


def _step(chance: random.Random, mark: int) -> Step:
    kind = chance.random()
    if kind < 0.04:
        return Sends(b"s" * chance.randint(1, 20))
    if kind < 0.06:
        return Shuts()
    if kind < 0.09:
        return Reads(chance.random() < 0.5)
    origin = chance.choice((START,) * 12 + (FINISH, FINISH, EDGE))
    seq = chance.randint(0, 24) if origin == START else chance.randint(-6, 6)
    flags = chance.choice(_FLAGS)
    length = chance.choice((0, 1, 2, 3, 5, 8, 13))
    return Segment(
        seq,
        letters(seq, seq + length, mark),
        flags,
        ack=chance.choice((0,) * 10 + (-1, 1, 5, 20, -70_000)),
        window=chance.choice((65535, 65535, 0, 1000)),
        urgent=chance.choice((0, 1, 3, 20)) if flags & URG else 0,
        time=chance.choice((0, 0, 0, 1, 2, 3, -1, -2, -100, None)),
        ttl=1 if chance.random() < 0.02 else 64,
        checksum_wrong=chance.random() < 0.03,
        origin=origin,
    )
