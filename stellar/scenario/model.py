# SPDX-License-Identifier: Apache-2.0
"""What a scenario says, as values. Made by `load`, used by `traffic`, `compare` and who runs it."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ADDRESSES",
    "INTERFACE",
    "START_NS",
    "Address",
    "Expectation",
    "Host",
    "PluginChoice",
    "RunOptions",
    "Scenario",
    "Step",
    "Verb",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

INTERFACE = "capture"
"""Where hosts are that name no interface."""
START_NS = 1_700_000_000_000_000_000
"""Time of the first frame, ns since the epoch."""
ADDRESSES: Mapping[str, str] = {
    "client": "192.0.2.10",
    "server": "198.51.100.20",
    "client6": "2001:db8:1::10",
    "server6": "2001:db8:2::20",
}
"""Hosts that every scenario has."""


@dataclass(frozen=True, slots=True)
class Host:
    """Who sends and receives."""

    name: str
    address: Address
    mac: bytes
    interface: str = INTERFACE


class Verb:
    """What a step can be; the words of the file."""

    OPEN = "open"
    SESSION = "session"
    SAY = "say"  # in the file: the name of the host
    CLOSE = "close"
    FINISH = "finish"
    RESET = "reset"
    ACKNOWLEDGE = "acknowledge"
    ERROR = "error"
    FRAME = "frame"
    WAIT_MS = "wait_ms"
    PULSE = "pulse"  # a frame of no session: time passes with packets


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the traffic, its values checked."""

    verb: str
    line: int
    session: str = ""
    host: str = ""
    """Who does it; with `open` and `session` the originator."""
    peer: str = ""
    protocol: str = ""
    ports: tuple[int, int] = (0, 0)
    data: bytes = b""
    wait_ms: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    """The rest, by the words of the file."""


@dataclass(frozen=True, slots=True)
class PluginChoice:
    """A plugin to run, and the settings it gets."""

    path: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How the scenario wants to be run. Paths are as the file has them."""

    plugins: Sequence[PluginChoice] | None = None
    """None: the file does not say, its caller does."""
    policy: str | None = None
    inline: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Other options of the engine, by their names in `stellar replay --set` and its flags."""
    bursts: Sequence[int] = (1, 64)
    workers: Sequence[int] = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must come of it. None: not asked."""

    log: Sequence[str] | None = None
    """Every line that plugins logged, in order, `PLUGIN: TEXT`."""
    events: Sequence[tuple[Mapping[str, Any], int]] = ()
    """EVE events: values at dotted places, and how many events have all of them."""
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of plugins; a plugin that is named has no other counters than zero."""
    stats: Mapping[str, Any] = field(default_factory=dict)
    """Values at dotted places of `--stats`; tables are compared without their zeros."""
    written: Sequence[str] | int | None = None
    """Frames that left, in order, as `describe_frame` says them; or how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file."""

    file: str
    hosts: Mapping[str, Host]
    steps: Sequence[Step]
    spacing_us: int = 1000
    """Time from one frame to the next."""
    run: RunOptions = field(default_factory=RunOptions)
    expect: Expectation = field(default_factory=Expectation)
