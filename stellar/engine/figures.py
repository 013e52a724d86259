# SPDX-License-Identifier: Apache-2.0
"""An engine's figures as the JSON that `--stats` and the API give (DESIGN section 15)."""

import ipaddress
from typing import Any

from stellar.engine import Engine

__all__ = ["Figures", "session_json"]

_SUMMED = ("received", "generated", "forwarded", "local", "held")
_SESSIONS = (
    "created", "active", "evicted", "untracked", "children", "orphaned", "expectations",
    "expectations_announced", "expectations_met", "expectations_expired", "expectations_refused",
    "resumed", "torn", "opening", "source_limited", "flood", "floods",
)  # fmt: skip


_NUMBERS_OF_PLUGIN = (
    "calls", "errors", "contexts", "detached", "takeovers", "timers", "timers_refused", "reloads",
    "versions", "old_contexts", "migrated",
)  # fmt: skip
_OF_PLUGIN = ("name", "version", *_NUMBERS_OF_PLUGIN)


class Figures:
    """Sums the figures of one engine or, in a series of replays, of several."""

    def __init__(self) -> None:
        self._packets: dict[str, int] = dict.fromkeys((*_SUMMED, "imbalance"), 0)
        self._bytes = {"received": 0, "forwarded": 0}
        self._dropped: dict[str, int] = {}
        self._sessions = dict.fromkeys(_SESSIONS, 0)
        self._closed: dict[str, int] = {}
        self._streams: dict[str, int] = {}
        self._events: dict[str, int] = {}
        self._events_overflowed = 0
        self._derived_events: dict[str, int] = {}
        self._decode_events: dict[str, int] = {}
        self._output = {"written": 0, "lost": 0}
        self._observer_lost = 0
        self._plugins: dict[str, dict[str, Any]] = {}
        self._timed: dict[str, dict[str, int]] = {}

    def add(self, engine: Engine) -> None:
        """Add what an engine has counted."""
        packets = engine.packet_stats()
        sessions = engine.session_stats()
        _sum(self._packets, {name: packets[name] for name in self._packets})
        _sum(self._dropped, packets["dropped"])
        self._bytes["received"] += packets["received_bytes"]
        self._bytes["forwarded"] += packets["forwarded_bytes"]
        _sum(self._sessions, {name: sessions[name] for name in self._sessions})
        _sum(self._closed, sessions["closed"])
        _sum(self._streams, engine.stream_stats())
        _sum(self._events, engine.event_counts())
        self._events_overflowed += engine.event_overflow()
        _sum(self._derived_events, engine.derived_event_counts())
        _sum(self._decode_events, engine.decode_event_counts())
        _sum(self._output, engine.output_stats())
        self._observer_lost += engine.observer_lost
        for plugin in engine.plugin_stats():
            self._add_plugin(plugin)
        for plugin_name, name, value in engine.plugin_counters():
            _sum(self._plugins[plugin_name]["counters"], {name: value})

    def _add_plugin(self, stats: dict[str, Any]) -> None:
        entry = self._plugins.setdefault(
            stats["name"],
            {**dict.fromkeys(_OF_PLUGIN, 0), "enabled": True, "counters": {}},
        )
        entry["name"], entry["version"] = stats["name"], stats["version"]
        entry["enabled"] = entry["enabled"] and stats["enabled"]
        _sum(entry, {name: stats[name] for name in _NUMBERS_OF_PLUGIN})
        timed = self._timed.setdefault(stats["name"], {})
        _sum(timed, {name: stats[name] for name in ("timed_calls", "timed_ns")})

    @property
    def nanoseconds_per_call(self) -> dict[str, float]:
        """Wall-clock time of a call of each plugin that was called often, from a sample."""
        return {
            name: round(timed["timed_ns"] / timed["timed_calls"], 1)
            for name, timed in self._timed.items()
            if timed["timed_calls"]
        }

    @property
    def imbalance(self) -> int:
        """What the conservation law is off by: 0."""
        return self._packets["imbalance"]

    def to_json(self, seconds: float) -> dict[str, Any]:
        """The figures after `seconds` of running."""
        received = self._packets["received"]
        return {
            "packets": {
                **{name: self._packets[name] for name in _SUMMED},
                "dropped": dict(self._dropped),
            },
            "bytes": dict(self._bytes),
            "sessions": {**self._sessions, "closed": dict(self._closed)},
            "streams": dict(self._streams),
            "events": dict(self._events),
            "events_overflowed": self._events_overflowed,
            "derived_events": dict(self._derived_events),
            "decode_events": {k: v for k, v in self._decode_events.items() if v},
            "output": dict(self._output),
            "observers": {"lost": self._observer_lost},
            "plugins": list(self._plugins.values()),
            "nanoseconds_per_call": self.nanoseconds_per_call,
            "seconds": round(seconds, 6),
            "packets_per_second": round(received / seconds) if seconds > 0 else 0,
        }


def session_json(record: dict[str, Any], interfaces: list[str]) -> dict[str, Any]:
    """A session of `Engine.list_sessions` with addresses and interfaces by name."""
    named = dict(record)
    for side in ("originator", "responder"):
        address, port = record[side]
        named[side] = {
            "address": str(ipaddress.ip_address(address)) if address else None,
            "port": port,
        }
    for side in ("ingress", "egress"):
        identity = named.pop(f"{side}_id")
        named[side] = interfaces[identity] if identity < len(interfaces) else None
    named["packets"] = dict(zip(("forward", "reverse"), record["packets"], strict=True))
    named["bytes"] = dict(zip(("forward", "reverse"), record["bytes"], strict=True))
    return named


def _sum(into: dict[str, Any], more: dict[str, int]) -> None:
    for name, value in more.items():
        into[name] = into.get(name, 0) + value
