# SPDX-License-Identifier: Apache-2.0
"""Stellar: a platform for stateful network functions, and the appliance that runs them.

`stellar.replay` runs captures in process and yields their events; `stellar.observer` attaches to a
running engine.
"""

from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__", "replay"]


def __getattr__(name: str) -> Any:
    # On use: the version is asked for where no engine can be loaded.
    if name == "replay":
        from stellar.library import replay

        return replay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
