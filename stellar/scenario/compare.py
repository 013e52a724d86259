# SPDX-License-Identifier: Apache-2.0
"""Compares what came of a run with what a scenario expects; says differences for people."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stellar.scenario.describe import describe_frame
from stellar.scenario.model import Scenario

__all__ = ["Difference", "Outcome", "compare", "log_lines", "lookup"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave."""

    events: Sequence[Mapping[str, Any]]
    """EVE events, in order."""
    stats: Mapping[str, Any]
    written: Sequence[bytes]
    """Frames that left."""
    problems: Sequence[str] = ()
    """What went wrong with the run itself; no scenario expects any."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected."""

    subject: str
    expected: Any
    found: Any
    lines: Sequence[str] = ()
    """For lists: the difference, line by line, as `diff` writes it."""

    def __str__(self) -> str:
        if self.lines:
            return "\n".join([f"{self.subject}: (- expected, + found)", *self.lines])
        return f"{self.subject}: expected {self.expected}, found {self.found}"


def compare(scenario: Scenario, outcome: Outcome) -> list[Difference]:
    """Everything that is not as expected; empty when the scenario holds."""
    expect = scenario.expect
    differences = [Difference("the run", "no problem", problem) for problem in outcome.problems]
    if expect.log is not None:
        differences += _lists("log", expect.log, log_lines(outcome.events))
    for wanted, count in expect.events:
        found = count_events(outcome.events, wanted)
        if found != count:
            differences.append(_event_difference(wanted, count, found, outcome.events))
    for plugin, counters in expect.counters.items():
        place = f"plugins.{plugin}.counters"
        found_counters = _without_zeros(lookup(outcome.stats, place))
        if found_counters != _without_zeros(counters):
            differences.append(Difference(f"counters of {plugin}", counters, found_counters))
    for place, value in expect.stats.items():
        found_value = _without_zeros(lookup(outcome.stats, place))
        if found_value != _without_zeros(value):
            differences.append(Difference(f"stats {place}", value, found_value))
    if isinstance(expect.written, int) and len(outcome.written) != expect.written:
        differences.append(Difference("frames written", expect.written, len(outcome.written)))
    elif expect.written is not None and not isinstance(expect.written, int):
        frames = [describe_frame(data, scenario.hosts) for data in outcome.written]
        differences += _lists("frames written", expect.written, frames)
    return differences


def log_lines(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What plugins logged, `PLUGIN: TEXT` a line."""
    return [
        f"{event['plugin']['name']}: {event['plugin']['text']}"
        for event in events
        if event.get("event_type") == "plugin"
    ]


def count_events(events: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> int:
    """How many events have all of these values at these dotted places."""
    return sum(
        all(lookup(event, place) == value for place, value in wanted.items()) for event in events
    )


def lookup(values: Any, place: str) -> Any:
    """The value at a dotted place, or None; elements of a list go by their `name`."""
    for key in place.split("."):
        if isinstance(values, list):
            values = next((each for each in values if each.get("name") == key), None)
        else:
            values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _event_difference(
    wanted: Mapping[str, Any], count: int, found: int, events: Sequence[Mapping[str, Any]]
) -> Difference:
    """With those events of the same type that come nearest, when one is missing."""
    words = ", ".join(f"{place}: {value}" for place, value in wanted.items())
    near: list[str] = []
    if found < count:
        for event in events:
            others = {
                place: lookup(event, place)
                for place, value in wanted.items()
                if lookup(event, place) != value
            }
            if event.get("event_type") == wanted.get("event_type") and 0 < len(others) <= 2:
                values = ", ".join(f"{place}: {value}" for place, value in others.items())
                near.append(f"one has {values}")
    text = f"{found}" + (f" ({'; '.join(dict.fromkeys(near[:3]))})" if near else "")
    return Difference(f"events {{{words}}}", count, text)


def _lists(subject: str, expected: Sequence[str], found: Sequence[str]) -> list[Difference]:
    if list(expected) == list(found):
        return []
    lines = list(difflib.ndiff(list(expected), list(found)))
    kept = [line for line in lines if not line.startswith("?")]
    return [Difference(subject, list(expected), list(found), kept)]


def _without_zeros(value: Any) -> Any:
    """A table of counters without those that counted nothing; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: count for key, count in value.items() if count != 0}
    return value
