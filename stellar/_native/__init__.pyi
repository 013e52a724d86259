# SPDX-License-Identifier: Apache-2.0

from stellar._native.engine import Engine as Engine
from stellar._native.engine import limit_defaults as limit_defaults
from stellar._native.engine import names as names
from stellar._native.engine import timeout_defaults as timeout_defaults
from stellar._native.errors import EngineStateError as EngineStateError
from stellar._native.errors import PluginError as PluginError
from stellar._native.errors import PolicyError as PolicyError
from stellar._native.errors import ResourceError as ResourceError
from stellar._native.errors import StellarError as StellarError
from stellar._native.plugin import PluginHandle as PluginHandle

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
