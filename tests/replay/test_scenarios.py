# SPDX-License-Identifier: Apache-2.0
"""Every scenario: what must come out of its packets, and the laws that hold for all of them."""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from scapy.packet import Packet
from scapy.utils import PcapReader, wrpcap

from stellar.engine.plugins import personality_plugin
from stellar.engine.replay import ReplayOptions, run
from stellar.personality import check_policy, compile_policy, open_policy

SCENARIOS = sorted(path.parent for path in Path(__file__).parent.glob("*/expected.yml"))


@dataclass(frozen=True)
class Scenario:
    folder: Path
    capture: Path
    packet_count: int
    expected: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    stats: Mapping[str, Any]
    events: bytes
    output: bytes
    frames: tuple[Packet, ...]


@pytest.fixture(params=SCENARIOS, ids=lambda folder: folder.name)
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    folder: Path = request.param
    spec = importlib.util.spec_from_file_location(folder.name, folder / "packets.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    packets: list[Packet] = module.packets()
    capture = tmp_path / "input.pcap"
    wrpcap(str(capture), packets)
    expected = yaml.safe_load((folder / "expected.yml").read_text())
    return Scenario(folder, capture, len(packets), expected)


def play(scenario: Scenario, name: str = "run", burst_size: int = 64) -> Outcome:
    events = scenario.capture.with_name(f"{name}.json")
    output = scenario.capture.with_name(f"{name}.pcap")
    policy = scenario.folder / "policy.yml"
    image = None
    if policy.exists():
        image = compile_policy(check_policy(open_policy(policy)).policy, generation=1)
    result = run(
        ReplayOptions(
            captures=[scenario.capture],
            plugins=[personality_plugin(scenario.expected["personality"])],
            policy_image=image,
            inline=scenario.expected["inline"],
            burst_size=burst_size,
            events=str(events),
            event_types=["flow", "drop", "anomaly"],
            write=output,
        )
    )
    assert result.problems == []
    assert result.imbalance == 0
    with PcapReader(str(output)) as reader:
        frames = tuple(reader)
    return Outcome(result.stats, events.read_bytes(), output.read_bytes(), frames)


def look_up(tree: Any, path: str) -> Any:
    """Value at a dotted path, or None."""
    return reduce(lambda part, key: part.get(key) if part else None, path.split("."), tree)


def find_field(frame: Packet, path: str) -> str | None:
    layer, _, field = path.partition(".")
    part = frame.getlayer(layer)
    return None if part is None else str(part.getfieldval(field))


def test_there_are_scenarios() -> None:
    assert SCENARIOS


def test_the_counters_are_the_expected_ones(scenario: Scenario) -> None:
    stats = play(scenario).stats

    found = {name: look_up(stats, name) for name in scenario.expected["stats"]}
    assert found == scenario.expected["stats"]


def test_the_events_are_the_expected_ones(scenario: Scenario) -> None:
    events = [json.loads(line) for line in play(scenario).events.splitlines()]

    for wanted in scenario.expected["events"]:
        match = wanted["match"]
        found = [e for e in events if all(look_up(e, k) == v for k, v in match.items())]
        assert len(found) == wanted["count"], match


def test_the_frames_that_left_are_the_expected_ones(scenario: Scenario) -> None:
    frames = play(scenario).frames

    for wanted in scenario.expected["output"]:
        match = wanted["match"]
        found = [f for f in frames if all(find_field(f, k) == str(v) for k, v in match.items())]
        assert len(found) == wanted["count"], match


def test_packets_are_conserved_and_agree_with_input_and_output(scenario: Scenario) -> None:
    outcome = play(scenario)

    packets = outcome.stats["packets"]
    assert packets["received"] == scenario.packet_count
    assert packets["forwarded"] == len(outcome.frames)
    assert packets["received"] + packets["generated"] == (
        packets["forwarded"] + sum(packets["dropped"].values()) + packets["local"] + packets["held"]
    )


def test_a_burst_is_an_optimisation_that_nobody_can_see(scenario: Scenario) -> None:
    single, whole = play(scenario, "single", burst_size=1), play(scenario, "whole", burst_size=64)

    assert single.events == whole.events
    assert single.output == whole.output
    assert single.stats["packets"] == whole.stats["packets"]
    assert single.stats["sessions"] == whole.stats["sessions"]


def test_a_second_run_gives_the_same_bytes(scenario: Scenario) -> None:
    first, second = play(scenario, "first"), play(scenario, "second")

    assert first.events == second.events
    assert first.output == second.output
