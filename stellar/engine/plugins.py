# SPDX-License-Identifier: Apache-2.0
"""Finds and adds plugins: shared objects go to the engine, Lua files through the Lua host."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import stellar
from stellar.engine import Engine, PluginError, PluginHandle

if TYPE_CHECKING:
    from stellar.lua import LuaPlugin

__all__ = ["LIBRARY", "FirstFailure", "add_lua_plugin", "add_plugin", "personality_plugin"]

FirstFailure = Callable[[], str | None]
"""Tells the first error of a plugin's handlers, or None. Not while a worker runs."""

_PACKAGE = Path(stellar.__file__).parent
LIBRARY = _PACKAGE / "_native" / "libstellar.so"


def personality_plugin(name: str) -> Path:
    """Shared object of one of our own network functions."""
    return _PACKAGE / "plugins" / f"{name}.so"


def add_plugin(engine: Engine, path: Path, *, workers: int) -> FirstFailure:
    """Add a plugin to an engine that has not started; raises PluginError."""
    if not path.exists():
        raise PluginError(f"{path}: expected a plugin, found no such file")
    if path.suffix == ".so":
        engine.load_plugin(str(path.resolve()))
        return lambda: None  # the API of C plugins has no text for it
    if path.suffix == ".lua":
        return _add_lua(engine, path, workers)
    raise PluginError(f"{path}: expected a plugin ending in .so or .lua")


def _add_lua(engine: Engine, path: Path, workers: int) -> FirstFailure:
    # Imported on use: an engine without Lua plugins starts without LuaJIT.
    from stellar.lua import LuaError, load_plugin

    try:
        plugin = load_plugin(path, library=LIBRARY, workers=workers)
    except LuaError as error:
        raise PluginError(str(error)) from error
    add_lua_plugin(engine, plugin)
    return plugin.first_failure


def add_lua_plugin(engine: Engine, plugin: "LuaPlugin") -> None:
    """Add a Lua plugin that is loaded to an engine that has not started; raises PluginError."""
    engine.add_plugin(
        PluginHandle(
            name=plugin.name,
            version=plugin.version,
            events=plugin.events,
            entries=[{"entry": entry} for entry in plugin.entries],
            before=plugin.before,
            after=plugin.after,
            context_size=plugin.context_size,
            fail_open=plugin.fail_open,
            load_entry=plugin.load_entry,
            owner=plugin,
        )
    )
