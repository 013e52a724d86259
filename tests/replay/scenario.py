# SPDX-License-Identifier: Apache-2.0
"""Reads a scenario's folder, replays it, and counts what went in and came out independently.

A folder holds `packets.py` (a function `frames()`), optionally `policy.yml` and plugins, and
`expected.yml`, which README.md here describes.
"""

import json
import runpy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import RawPcapReader
from traffic import Frame, write_capture

from stellar.engine.plugins import LIBRARY, personality_plugin
from stellar.engine.replay import ReplayOptions, run
from stellar.personality import check_policy, compile_policy, open_policy

FOLDER = Path(__file__).parent
EXAMPLES = LIBRARY.parents[1] / "plugins" / "examples"
KEYS = {
    "packets_from", "personality", "inline", "settings", "plugins", "variants", "events", "stats",
    "output", "holds", "by_worker",
}  # fmt: skip
NOT_REPEATABLE = ("seconds", "packets_per_second", "nanoseconds_per_call")


@dataclass(frozen=True)
class Scenario:
    """What a folder says."""

    folder: Path
    packets: Path
    policy: Path | None
    has_firewall: bool
    inline: bool
    settings: Mapping[str, Any]
    variants: Sequence[Sequence[Path]]
    """Lists of plugins; all of them must give the same."""
    events: Sequence[Mapping[str, Any]]
    stats: Mapping[str, Any]
    output: Sequence[Mapping[str, Any]]
    """Frames that must have left."""
    holds: bool
    """A plugin keeps frames back: only those between the same addresses stay in order."""
    by_worker: bool
    """A plugin tells what it saw on each worker: several tell other things than one."""


@dataclass(frozen=True)
class Outcome:
    """What one replay gave."""

    events: bytes
    stats: dict[str, Any]
    problems: list[str]
    input: list[bytes]
    output: list[bytes]
    written: bytes
    """The written capture, whole."""

    @property
    def sessions(self) -> list[tuple[str, ...]]:
        """Events of each session in order, without its number and that of its parent.

        What belongs to no session is one more.
        """
        sessions: dict[int | None, list[str]] = {}
        for event in self.event_list:
            number = event.pop("flow_id", None)
            event["parent_id"] = "parent_id" in event
            sessions.setdefault(number, []).append(json.dumps(event, sort_keys=True))
        return sorted(map(tuple, sessions.values()))

    @property
    def event_list(self) -> list[dict[str, Any]]:
        """Events parsed."""
        return [json.loads(line) for line in self.events.splitlines()]

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        """Events of one EVE type."""
        return [event for event in self.event_list if event["event_type"] == event_type]


def scenario_names() -> list[str]:
    """Folders that are scenarios."""
    return sorted(path.parent.name for path in FOLDER.glob("*/expected.yml"))


def read_scenario(name: str) -> Scenario:
    """Read a folder; a key that does not exist is an error."""
    folder = FOLDER / name
    expected = yaml.safe_load((folder / "expected.yml").read_text())
    assert set(expected) <= KEYS, f"{name}: unknown {set(expected) - KEYS}"
    policy = folder / "policy.yml"
    variants = expected.get("variants", [expected.get("plugins", [])])
    return Scenario(
        folder=folder,
        packets=FOLDER / expected.get("packets_from", name) / "packets.py",
        policy=policy if policy.exists() else None,
        has_firewall=policy.exists() or expected.get("personality") == "firewall",
        inline=expected.get("inline", True),
        settings=expected.get("settings", {}),
        variants=[[_plugin(folder, plugin) for plugin in plugins] for plugins in variants],
        events=expected["events"],
        stats=expected["stats"],
        output=expected.get("output", []),
        holds=expected.get("holds", False),
        by_worker=expected.get("by_worker", False),
    )


def replay(
    scenario: Scenario, into: Path, *, burst_size: int, variant: int = 0, workers: int = 1
) -> Outcome:
    """Build the capture and replay it once."""
    into.mkdir(parents=True, exist_ok=True)
    capture, events, written = into / "input.pcap", into / "eve.json", into / "output.pcap"
    write_capture(capture, frames_of(scenario.packets))
    plugins = list(scenario.variants[variant])
    image = None
    if scenario.has_firewall:
        plugins.insert(0, personality_plugin("firewall"))
    if scenario.policy is not None:
        image = compile_policy(check_policy(open_policy(scenario.policy)).policy, generation=1)
    result = run(
        ReplayOptions(
            captures=[capture],
            plugins=plugins,
            policy_image=image,
            inline=scenario.inline,
            workers=workers,
            burst_size=burst_size,
            events=str(events),
            write=written,
            **scenario.settings,
        )
    )
    stats = {key: value for key, value in result.stats.items() if key not in NOT_REPEATABLE}
    return Outcome(
        events=events.read_bytes(),
        stats=stats,
        problems=result.problems,
        input=read_frames(capture),
        output=read_frames(written),
        written=written.read_bytes(),
    )


@cache
def frames_of(packets: Path) -> list[Frame]:
    """What a `packets.py` builds; once, scapy is slow."""
    frames: list[Frame] = runpy.run_path(str(packets))["frames"]()
    return frames


def read_frames(path: Path) -> list[bytes]:
    """Frames of a capture, read by somebody else's reader."""
    with RawPcapReader(str(path)) as reader:
        return [data for data, _ in reader]


def count_matches(events: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> int:
    """How many events have all of these values at these dotted places."""
    return sum(
        all(lookup(event, place) == value for place, value in wanted.items()) for event in events
    )


def count_frames(frames: Sequence[bytes], wanted: Mapping[str, Any]) -> int:
    """How many frames have all of these values in these `Layer.field` places of scapy."""
    return sum(
        all(frame_field(Ether(data), place) == str(value) for place, value in wanted.items())
        for data in frames
    )


def frame_field(frame: Packet, place: str) -> str | None:
    """A field of a frame as text, or None when it has no such layer."""
    layer, _, name = place.partition(".")
    part = frame.getlayer(layer)
    return None if part is None else str(part.getfieldval(name))


def lookup(values: Any, place: str) -> Any:
    """The value at a dotted place, or None; elements of a list go by their `name`."""
    for key in place.split("."):
        if isinstance(values, list):
            values = next((each for each in values if each.get("name") == key), None)
        else:
            values = values.get(key) if isinstance(values, Mapping) else None
    return values


def without_zeros(value: Any) -> Any:
    """A table of counters without those that counted nothing; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: count for key, count in value.items() if count != 0}
    return value


def made_by_engine(outcome: Outcome) -> Counter[bytes]:
    """Frames that came out and had not gone in."""
    return Counter(outcome.output) - Counter(outcome.input)


def lost_in_engine(outcome: Outcome) -> Counter[bytes]:
    """Frames that went in and did not come out."""
    return Counter(outcome.input) - Counter(outcome.output)


def _plugin(folder: Path, name: str) -> Path:
    return EXAMPLES / name.removeprefix("examples/") if "/" in name else folder / name
