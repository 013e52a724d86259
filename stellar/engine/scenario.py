# SPDX-License-Identifier: Apache-2.0
"""Runs a scenario through the engine, as a replay of the frames it describes.

Called by `stellar plugin test` and by tests. A policy comes compiled: this package can't.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stellar.engine import limit_defaults
from stellar.engine.plugins import personality_plugin
from stellar.engine.replay import ReplayOptions
from stellar.engine.replay import run as replay
from stellar.scenario import (
    Outcome,
    PluginChoice,
    Scenario,
    ScenarioError,
    build_frames,
    build_pcap,
    parse_pcap,
)

__all__ = ["ScenarioRun", "run_scenario"]

_NOT_REPEATABLE = ("seconds", "packets_per_second", "nanoseconds_per_call")
_INTERFACE_DEFAULT = "capture"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRun:
    """How to run it; what is None is as the scenario says."""

    plugins: Sequence[PluginChoice] | None = None
    """Paths are looked up from `folder`."""
    folder: Path | None = None
    """Of the scenario's paths; else that of its file."""
    policy_image: bytes | None = None
    """Brings its personality with it."""
    burst_size: int = 64
    workers: int = 1


def run_scenario(scenario: Scenario, into: Path, how: ScenarioRun | None = None) -> Outcome:
    """Run it once; its capture, events and what left stay in `into`, a folder.

    Raises StellarError when the engine can't be set up, ScenarioError for options it has not.
    """
    how = how or ScenarioRun()
    into.mkdir(parents=True, exist_ok=True)
    frames = build_frames(scenario)
    names = list(dict.fromkeys(frame.interface for frame in frames)) or [_INTERFACE_DEFAULT]
    for name in names:
        (into / f"{name}.in.pcap").write_bytes(build_pcap(frames, interface=name))
    written = into / "written"
    written.mkdir(exist_ok=True)
    events = into / "eve.json"
    result = replay(
        ReplayOptions(
            interfaces={name: into / f"{name}.in.pcap" for name in names},
            policy_image=how.policy_image,
            inline=scenario.run.inline,
            burst_size=how.burst_size,
            workers=how.workers,
            events=str(events),
            write=written,
            **_plugins(scenario, how),
            **_engine_options(scenario),
        )
    )
    left = [
        frame
        for name in names
        for frame in parse_pcap((written / f"{name}.pcap").read_bytes(), interface=name)
    ]
    problems = [*result.problems, *result.plugin_failures]
    if result.imbalance:
        problems.append(f"packets are off balance by {result.imbalance}")
    return Outcome(
        events=[json.loads(line) for line in events.read_bytes().splitlines()],
        stats={name: value for name, value in result.stats.items() if name not in _NOT_REPEATABLE},
        written=[frame.data for frame in sorted(left, key=lambda frame: frame.time_ns)],
        problems=problems,
    )


def _plugins(scenario: Scenario, how: ScenarioRun) -> dict[str, Any]:
    folder = how.folder or Path(scenario.file).parent
    chosen = how.plugins if how.plugins is not None else scenario.run.plugins or ()
    paths = [folder / each.path for each in chosen]
    settings = {Path(each.path).stem: each.settings for each in chosen if each.settings}
    if how.policy_image is not None or "personality" in scenario.run.settings:
        paths.insert(0, personality_plugin(scenario.run.settings.get("personality", "firewall")))
    options: dict[str, Any] = {"plugins": paths}
    if settings:
        options["plugin_settings"] = settings
    return options


def _engine_options(scenario: Scenario) -> Mapping[str, Any]:
    options = {
        name: value for name, value in scenario.run.settings.items() if name != "personality"
    }
    types = {each.name: each.default for each in fields(ReplayOptions)}
    problems = [
        f"{scenario.file}: {name}: expected a value like {types[name]!r}, found {value!r}"
        for name, value in options.items()
        if name != "limits" and type(value) is not type(types[name])
    ]
    limits = options.get("limits", {})
    for name, value in limits.items() if isinstance(limits, dict) else [("limits", limits)]:
        if name not in limit_defaults() or type(value) is not int:
            problems.append(f"{scenario.file}: limits: expected names and numbers, found {name!r}")
    if problems:
        raise ScenarioError(problems)
    return options
