# SPDX-License-Identifier: Apache-2.0
"""The TCP bytes that Stellar inspects are those that a Linux endpoint's application receives."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
import tcp_cases
from host import Host, missing_device
from inspection import Call, inspect
from tcp_case import Case
from tcp_peer import HOPS, PORT, PORT_FAST_OPEN, SETTINGS, Between, Capture, Outcome, Peers
from tcp_random import random_cases
from tcp_wire import Wire

pytestmark = pytest.mark.root

FORWARD, REVERSE = 0, 1
FAMILIES = tcp_cases.families()
RANDOM_COUNT = 300


@pytest.fixture
def host() -> Iterator[Host]:
    """One of its own for each test: ports are used once."""
    reason = missing_device()
    if reason:
        pytest.skip(reason)
    with Host(SETTINGS) as host:
        yield host


def run(host: Host, path: Between, cases: Iterable[Case]) -> list[Outcome]:
    peers = Peers(host, path)
    outcomes = [peers.run(case) for case in cases]
    peers.close()
    return outcomes


def inspected_by_peer(calls: Sequence[Call]) -> dict[int, bytes]:
    """What went towards the host, by the peer's port."""
    streams: dict[int, bytes] = defaultdict(bytes)
    for call in calls:
        ports = call.source_port, call.destination_port
        towards_host = FORWARD if {PORT, PORT_FAST_OPEN}.intersection(ports) else REVERSE
        if call.direction == towards_host:
            streams[max(ports)] += call.data
    return streams


def differences(outcomes: Sequence[Outcome], calls: Sequence[Call]) -> list[str]:
    streams = inspected_by_peer(calls)
    pairs = [(outcome, streams[outcome.peer[1]]) for outcome in outcomes]
    return [
        f"{outcome.case.name}: received {outcome.received!r}, inspected {inspected!r}"
        for outcome, inspected in pairs
        if inspected != outcome.received
    ]


def on_a_tap(host: Host, cases: Iterable[Case], into: Path) -> list[str]:
    capture = Capture()
    outcomes = run(host, capture, cases)
    limits = {"ttl_min": HOPS + 1}
    inspected = inspect(capture.packets, into, events=("tcp_data",), limits=limits, midstream=False)
    return differences(outcomes, inspected.calls)


@pytest.mark.parametrize("family", FAMILIES)
def test_tap_inspects_what_the_host_receives(host: Host, tmp_path: Path, family: str) -> None:
    assert on_a_tap(host, FAMILIES[family], tmp_path) == []


def test_tap_inspects_what_the_host_receives_by_chance(host: Host, tmp_path: Path) -> None:
    assert on_a_tap(host, random_cases(1, RANDOM_COUNT), tmp_path) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_wire_inspects_what_the_host_receives(host: Host, tmp_path: Path, family: str) -> None:
    with Wire(tmp_path, ttl_min=HOPS + 1) as wire:
        outcomes = run(host, wire, FAMILIES[family])

    assert differences(outcomes, wire.calls) == []
    assert wire.imbalance == 0


def test_wire_inspects_what_the_host_receives_by_chance(host: Host, tmp_path: Path) -> None:
    with Wire(tmp_path, ttl_min=HOPS + 1) as wire:
        outcomes = run(host, wire, random_cases(1, RANDOM_COUNT))

    assert differences(outcomes, wire.calls) == []


def test_wire_lets_honest_segments_pass(host: Host, tmp_path: Path) -> None:
    with Wire(tmp_path, ttl_min=HOPS + 1) as wire:
        outcomes = run(host, wire, tcp_cases.honest())

    assert wire.dropped == 0
    assert [outcome.received for outcome in outcomes] == [tcp_cases.HONEST] * len(outcomes)
