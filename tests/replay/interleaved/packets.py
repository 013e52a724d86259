# SPDX-License-Identifier: Apache-2.0
"""Fifty sessions of nine segments, their segments shuffled together with the order of each kept."""

import random

from traffic import Conversation, Frame, Traffic

PORTS = (80, 23, 8080)


def frames() -> list[Frame]:
    turns = [position for position in range(50) for _ in range(9)]
    random.Random(2).shuffle(turns)
    waiting = []
    for position in range(50):
        alone = Traffic()
        session = Conversation(alone, client_port=41000 + position, server_port=PORTS[position % 3])
        session.open()
        session.exchange()
        session.close()
        waiting.append(iter(alone.frames))
    together = Traffic()
    for position in turns:
        together.raw(next(waiting[position]).data)
    return together.frames
