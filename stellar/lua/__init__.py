# SPDX-License-Identifier: Apache-2.0
"""Runs Lua plugins: one LuaJIT state per plugin and worker, called by the engine as C functions.

`stellar.engine.plugins` calls `load_plugin`. What a plugin can do is written in README.md here.
"""

from stellar.lua.plugin import LuaError, LuaPlugin, load_plugin

__all__ = ["LuaError", "LuaPlugin", "load_plugin"]
