# SPDX-License-Identifier: Apache-2.0
"""Plugins that ended the engine: who did it how often, and who is not called any more for it.

A plugin in C that crashes takes the process with it, and one that never returns is ended with it by
the watchdog. The next engine asks `Faults` whom to disable, so that one plugin can't keep the
appliance from working.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Fault", "Faults"]

FAULTS_MAX = 3
"""Faults of one plugin within `WINDOW_SEC` after which it starts disabled."""
WINDOW_SEC = 600.0
_KEPT_MAX = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """One death of the engine."""

    plugin: str
    time: float
    """Seconds since the epoch."""
    is_stuck: bool
    """It did not come back; else it crashed."""


class Faults:
    """The list, kept in a file. One that is damaged is begun anew: it is no reason not to start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._faults = _read(path)

    def add(self, plugin: str, *, is_stuck: bool) -> None:
        """Write down that the last engine died in a plugin."""
        self._faults = [*self._faults, Fault(plugin, time.time(), is_stuck)][-_KEPT_MAX:]
        fresh = self._path.with_suffix(".new")
        fresh.write_text(
            json.dumps(
                [
                    {"plugin": each.plugin, "time": each.time, "is_stuck": each.is_stuck}
                    for each in self._faults
                ]
            )
        )
        fresh.replace(self._path)

    def count(self, plugin: str) -> int:
        """How often it happened lately."""
        since = time.time() - WINDOW_SEC
        return sum(each.plugin == plugin and each.time >= since for each in self._faults)

    def repeated(self) -> list[str]:
        """Plugins that are not to be called any more."""
        names = sorted({each.plugin for each in self._faults})
        return [name for name in names if self.count(name) >= FAULTS_MAX]


def _read(path: Path) -> list[Fault]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return [_fault(each) for each in found if _is_fault(each)] if isinstance(found, list) else []


def _is_fault(found: object) -> bool:
    return (
        isinstance(found, dict)
        and isinstance(found.get("plugin"), str)
        and isinstance(found.get("time"), float)
        and isinstance(found.get("is_stuck"), bool)
    )


def _fault(found: dict[str, Any]) -> Fault:
    return Fault(found["plugin"], found["time"], found["is_stuck"])
