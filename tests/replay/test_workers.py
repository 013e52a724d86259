# SPDX-License-Identifier: Apache-2.0
"""Several workers on captures larger and stranger than a scenario: the events of one."""

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from traffic import START_NS, Frame, write_capture

from stellar.engine.replay import ReplayOptions, run

SHARED_EVERY = 20  # of the captures beside the checkout
SHARED_SIZE_MAX = 1_000_000
# Errors that quote sessions nobody saw begin one of their own, at the home of what they quote: one
# session of errors by one worker, one for each home by several.
DIFFERENT = {"instagram.pcap"}
MANY = 20000  # sessions: half of them are more than the rings of two workers have room for
SILENCE_NS = 40 * 10**9  # longer than a question is waited for


def outcome(capture: Path, into: Path, *, workers: int, burst_size: int = 64) -> dict[str, Any]:
    """What a replay gives, events by session."""
    events, written = into / f"{workers}.json", into / f"{workers}.pcap"
    result = run(
        ReplayOptions(
            captures=[capture],
            workers=workers,
            burst_size=burst_size,
            inline=True,
            events=str(events),
            write=written,
        )
    )
    sessions: dict[int | None, list[str]] = {}
    for line in events.read_bytes().splitlines():
        event = json.loads(line)
        event["parent_id"] = "parent_id" in event
        sessions.setdefault(event.pop("flow_id", None), []).append(json.dumps(event))
    return {
        "sessions": sorted(sessions.values()),
        "written": written.read_bytes(),
        "stats": {k: v for k, v in result.stats.items() if "second" not in k},
        "problems": result.problems,
        "imbalance": result.imbalance,
        "events": events.read_bytes(),
    }


def without(values: dict[str, Any], key: str) -> dict[str, Any]:
    """All values but one."""
    return {each: value for each, value in values.items() if each != key}


def question(chance: random.Random, time_ns: int) -> Frame:
    """A UDP datagram between two hosts of many, without checksums."""
    ports = struct.pack(">HHHH", chance.randrange(1024, 65536), 53, 8, 0)
    header = struct.pack(">BBHHHBB", 0x45, 0, 28, 0, 0, 64, 17)
    addresses = struct.pack(">HHHH", 0x0A00, chance.randrange(65536), 0x0A01, chance.randrange(256))
    words = struct.unpack(">9H", header + addresses)
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    checksum = struct.pack(">H", total ^ 0xFFFF)
    data = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + header + checksum + addresses + ports
    return Frame(time_ns, data, len(data))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions of thousands of hosts; half of them time out together, the rest end at the end."""
    chance = random.Random(3)
    times = [START_NS + i * 1000 + (i >= MANY // 2) * SILENCE_NS for i in range(MANY)]
    path = tmp_path_factory.mktemp("crowd") / "crowd.pcap"
    write_capture(path, [question(chance, time_ns) for time_ns in times])
    return path


def test_crowd_is_told_as_by_one_worker_and_the_same_again(crowd: Path, tmp_path: Path) -> None:
    alone = outcome(crowd, tmp_path, workers=1)

    once = outcome(crowd, tmp_path, workers=2)
    again = outcome(crowd, tmp_path, workers=2, burst_size=5)

    assert len(once["sessions"]) == MANY + 1
    assert without(once, "events") == without(alone, "events")
    assert again == once


def test_shared_captures_are_told_as_by_one_worker(
    shared_captures: list[Path], tmp_path: Path
) -> None:
    small = [path for path in shared_captures if path.stat().st_size < SHARED_SIZE_MAX]

    different = [
        path.name
        for path in small[::SHARED_EVERY]
        if without(outcome(path, tmp_path, workers=3), "events")
        != without(outcome(path, tmp_path, workers=1), "events")
    ]

    assert set(different) <= DIFFERENT
