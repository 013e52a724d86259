# SPDX-License-Identifier: Apache-2.0
"""Sessions between many pairs of hosts in random turns, with silences that end some of them."""

import random
from collections.abc import Iterator

from traffic import Conversation, Frame, Traffic, datagram

HOSTS = 40
PORTS = (80, 23, 8080)
SILENCE_SEC = 20


def frames() -> list[Frame]:
    chance = random.Random(7)
    waiting = [_conversation(host) for host in range(HOSTS)]
    waiting += [_question(host) for host in range(HOSTS)]
    turns = [position for position in range(len(waiting)) for _ in range(6)]
    chance.shuffle(turns)
    together = Traffic()
    for turn, position in enumerate(turns):
        frame = next(waiting[position], None)
        if frame is not None:
            together.raw(frame.data)
        if turn % 100 == 99:
            together.wait(SILENCE_SEC)
    return together.frames


def _conversation(host: int) -> Iterator[Frame]:
    alone = Traffic()
    session = Conversation(
        alone,
        client=f"192.0.2.{1 + host}",
        server=f"198.51.100.{200 - host // 2}",
        server_port=PORTS[host % 3],
    )
    session.open()
    session.exchange()
    return iter(alone.frames)


def _question(host: int) -> Iterator[Frame]:
    alone = Traffic()
    source, destination = f"2001:db8:1::{host:x}", f"2001:db8:2::{host % 5:x}"
    alone.there(datagram(5000, 80), source=source, destination=destination)
    if host % 2 == 0:
        alone.back(datagram(80, 5000), source=destination, destination=source)
    return iter(alone.frames)
