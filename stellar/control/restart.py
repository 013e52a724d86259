# SPDX-License-Identifier: Apache-2.0
"""When a process that died is started again: at once first, ever later while it keeps dying."""

from dataclasses import dataclass

__all__ = ["RestartDelay"]

_STABLE_SEC = 10.0
_FIRST_SEC = 0.1
_LONGEST_SEC = 5.0


@dataclass(slots=True)
class RestartDelay:
    """Seconds to wait before each restart, from how long the process lived."""

    quick_deaths: int = 0

    def after(self, lifetime_sec: float) -> float:
        """Delay before the next start; 0 for the first death of a series."""
        if lifetime_sec >= _STABLE_SEC:
            self.quick_deaths = 0
        deaths = self.quick_deaths
        self.quick_deaths += 1
        if deaths == 0:
            return 0.0
        doublings = min(deaths - 1, 10)  # beyond the longest delay; keeps the power small
        return min(_FIRST_SEC * (1 << doublings), _LONGEST_SEC)
