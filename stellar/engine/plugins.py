# SPDX-License-Identifier: Apache-2.0
"""Finds and adds plugins: shared objects go to the engine, Lua files through the Lua host."""

import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stellar.engine import Engine, PluginError, PluginHandle

if TYPE_CHECKING:
    from stellar.lua import LuaPlugin

__all__ = [
    "LIBRARY",
    "PKG_CONFIG_PATH",
    "FirstFailure",
    "PluginSettings",
    "add_lua_plugin",
    "add_plugin",
    "add_plugins",
    "describe_plugin",
    "personality_plugin",
    "plugin_memory",
    "plugin_traces",
    "reload_plugin",
]

FirstFailure = Callable[[], str | None]
"""Tells the first error of a plugin's handlers, or None. Not while a worker runs."""
Settings = Mapping[str, bool | float | str]
"""What the operator tells a plugin, by name."""
PluginSettings = Mapping[str, Settings]
"""Settings of several plugins, by their names or those of their files, without suffix."""

_SESSIONS_MIN = 64
_PACKAGE = Path(__file__).parents[1]
LIBRARY = _PACKAGE / "_native" / "libstellar.so"
PKG_CONFIG_PATH = _PACKAGE / "pkgconfig"
"""Where `stellar.pc` lies, for plugins in C."""


def personality_plugin(name: str) -> Path:
    """Shared object of one of our own network functions."""
    return _PACKAGE / "plugins" / f"{name}.so"


def add_plugin(
    engine: Engine, path: Path, *, workers: int, settings: Settings | None = None
) -> FirstFailure:
    """Add a plugin to an engine that has not started; raises PluginError."""
    return _add(engine, path, workers, {path.stem: settings or {}})[1]


def add_plugins(
    engine: Engine, paths: Sequence[Path], *, workers: int, settings: PluginSettings
) -> list[FirstFailure]:
    """Add plugins, each with its settings; raises PluginError also for those of no plugin."""
    added = [_add(engine, path, workers, settings) for path in paths]
    names = [{name, path.stem} for path, (name, _) in zip(paths, added, strict=True)]
    for wanted in settings:
        count = sum(wanted in each for each in names)
        if count != 1:
            known = ", ".join(sorted(set().union(*names))) or "none is loaded"
            found = f"{wanted}, two of them" if count else wanted
            raise PluginError(f"settings: expected the name of a plugin ({known}), found {found}")
    return [first_failure for _, first_failure in added]


def _add(
    engine: Engine, path: Path, workers: int, settings: PluginSettings
) -> tuple[str, FirstFailure]:
    """Add a plugin with those settings that are its own; returns its name, too."""
    if not path.exists():
        raise PluginError(f"{path}: expected a plugin, found no such file")
    if path.suffix == ".so":
        return _add_shared_object(engine, path, settings), lambda: None  # it has no text for it
    if path.suffix == ".lua":
        return _add_lua(engine, path, workers, settings)
    raise PluginError(f"{path}: expected a plugin ending in .so or .lua")


def _add_shared_object(engine: Engine, path: Path, settings: PluginSettings) -> str:
    plugin_id = engine.load_plugin(str(path.resolve()))
    name = str(engine.plugin_stats()[plugin_id]["name"])
    for wanted in {path.stem, name} & settings.keys():
        for key, value in settings[wanted].items():
            engine.set_plugin_setting(plugin_id, key, _text_of(value))
    return name


def _add_lua(
    engine: Engine, path: Path, workers: int, settings: PluginSettings
) -> tuple[str, FirstFailure]:
    plugin = _load_lua(path, workers, settings)
    add_lua_plugin(engine, plugin)
    return plugin.name, plugin.first_failure


def _load_lua(path: Path, workers: int, settings: PluginSettings) -> "LuaPlugin":
    # Imported on use: an engine without Lua plugins starts without LuaJIT.
    from stellar.lua import LuaError, load_plugin

    own = settings.get(path.stem, {})
    others = {name: values for name, values in settings.items() if name != path.stem}
    try:
        return load_plugin(
            path, library=LIBRARY, workers=workers, settings=own, settings_by_name=others
        )
    except LuaError as error:
        raise PluginError(str(error)) from error


def _text_of(value: bool | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def add_lua_plugin(engine: Engine, plugin: "LuaPlugin") -> None:
    """Add a Lua plugin that is loaded to an engine that has not started; raises PluginError."""
    engine.add_plugin(_handle_of(plugin))


def _handle_of(plugin: "LuaPlugin") -> PluginHandle:
    return PluginHandle(
        name=plugin.name,
        version=plugin.version,
        events=plugin.events,
        entries=plugin.entries,
        before=plugin.before,
        after=plugin.after,
        context_size=plugin.context_size,
        fail_open=plugin.fail_open,
        raises=plugin.raises,
        hears=plugin.hears,
        tick_ms=plugin.tick_ms,
        load_entry=plugin.load_entry,
        owner=plugin,
    )


def reload_plugin(
    engine: Engine, name: str, path: Path, *, workers: int, settings: Settings | None = None
) -> FirstFailure:
    """Put another version of a plugin in the place of the one in force, while workers run.

    settings: those of a Lua plugin; the engine has those of one in C. Raises PluginError.
    """
    if name not in {stats["name"] for stats in engine.plugin_stats()}:
        raise PluginError(f"plugin {name}: is not loaded", errno.ENOENT)
    suffix = ".lua" if any(each.name == name for each in engine.plugin_owners) else ".so"
    if not path.exists():
        raise PluginError(f"{path}: expected a plugin, found no such file")
    if path.suffix != suffix:
        raise PluginError(f"{path}: expected a file ending in {suffix}, as before")
    if suffix == ".so":
        engine.reload_plugin(name, str(path.resolve()))
        return lambda: None
    plugin = _load_lua(path, workers, {path.stem: settings or {}})
    if plugin.name != name:
        raise PluginError(f"{path}: expected another version of {name}, found {plugin.name}")
    engine.replace_plugin(_handle_of(plugin))
    return plugin.first_failure


def plugin_memory(engine: Engine) -> dict[str, int]:
    """Bytes that each plugin keeps: its live contexts, and of Lua its states."""
    memory: dict[str, int] = {}
    for stats in engine.plugin_stats():
        memory[stats["name"]] = memory.get(stats["name"], 0) + stats["context_bytes"]
    for owner in engine.plugin_owners:
        memory[owner.name] = memory.get(owner.name, 0) + owner.memory_bytes
    return memory


def describe_plugin(path: Path, settings: Settings | None = None) -> dict[str, Any]:
    """What a plugin declares, without running it; raises PluginError when it is refused.

    Its file is loaded: a Lua file runs in its sandbox up to what it returns.
    """
    engine = Engine(session_capacity=_SESSIONS_MIN)
    try:
        if path.suffix != ".lua" or not path.exists():
            add_plugin(engine, path, workers=1, settings=settings)
            described = engine.describe_plugin(0)
            described["settings"] = [{"name": name} for name in described["settings"]]
            return {"file": str(path), "language": "c", **described}
        plugin = _load_lua(path, 1, {path.stem: settings or {}})
        add_lua_plugin(engine, plugin)
        declared = [
            {"name": name, "type": kind, "default": default or None, "required": required}
            for name, kind, default, required in plugin.settings
        ]
        described = engine.describe_plugin(0) | {"settings": declared}
        return {"file": str(path), "language": "lua", **described}
    finally:
        engine.close()


def plugin_traces(engine: Engine) -> dict[str, dict[str, int]]:
    """What LuaJIT could not compile of each Lua plugin; it differs from run to run."""
    traces: dict[str, dict[str, int]] = {}
    for owner in engine.plugin_owners:
        entry = traces.setdefault(owner.name, {"trace_aborts": 0, "traces_blacklisted": 0})
        entry["trace_aborts"] += owner.trace_aborts
        entry["traces_blacklisted"] += owner.traces_blacklisted
    return traces
