# SPDX-License-Identifier: Apache-2.0
"""The only door to C.

The law: Cython validates, converts, calls and translates errors; it holds no policy and no loop
over packets. `stellar.engine` alone imports this package, and only the names listed here. Bytes go
in and out as bytes; addresses become objects in `stellar.engine`.
"""

from stellar._native.engine import Engine, limit_defaults, names, timeout_defaults
from stellar._native.errors import (
    EngineStateError,
    PluginError,
    PolicyError,
    ResourceError,
    StellarError,
)
from stellar._native.plugin import PluginHandle

__all__ = [
    "Engine",
    "EngineStateError",
    "PluginError",
    "PluginHandle",
    "PolicyError",
    "ResourceError",
    "StellarError",
    "limit_defaults",
    "names",
    "timeout_defaults",
]
