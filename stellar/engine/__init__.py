# SPDX-License-Identifier: Apache-2.0
"""The Pythonic skin of the data path; the only importer of `stellar._native`.

`stellar.engine.replay` runs captures in process, `stellar.engine.process` is the engine process of
an appliance. The figures of `--stats` and of the API are made in `stellar.engine.figures`.
"""

from stellar._native import (
    Engine,
    EngineStateError,
    PluginError,
    PluginHandle,
    PolicyError,
    ResourceError,
    StellarError,
    limit_defaults,
    names,
    timeout_defaults,
)

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
