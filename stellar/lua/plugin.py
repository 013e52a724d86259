# SPDX-License-Identifier: Apache-2.0
"""Loads a Lua plugin file into LuaJIT states and says what the engine has to know of it.

It does not know the engine: the C functions it hands out are made by LuaJIT's FFI in the states.
"""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lupa.luajit21 as luajit

from stellar.lua.instrument import SourceError, instrument

__all__ = ["MEMORY_BYTES", "LuaError", "LuaPlugin", "load_plugin"]

COMPILES = True  # tests set it to False: LuaJIT interprets, and nobody may see a difference
MEMORY_BYTES = 8 << 20
"""What one state may allocate, what the host itself needs not counted."""

_HERE = Path(__file__).parent
_HOST_BYTES = 1 << 20  # what the host needs, generously
# as host/dispatch.lua returns them
_ENTRIES = ("deliver", "deliver_one", "batch", "context_migrate", "host_data", "tick")
_ENCODING = "latin-1"  # every byte string is text and back


Settings = Mapping[str, bool | float | str]


class LuaError(Exception):
    """A plugin file was refused; one line, `file:line: expected ..., found ...`."""


@dataclass(frozen=True, slots=True)
class LuaPlugin:
    """A loaded plugin. The functions are callable as long as this object lives."""

    name: str
    version: str
    events: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    context_size: int
    """Bytes of a session's context."""
    fail_open: bool
    entries: tuple[Mapping[str, int], ...]
    """One a worker: addresses by their names in `struct plugin_entries`."""
    load_entry: int
    """Address of `int (struct plugin_host *, void **)`, for all workers."""
    raises: tuple[str, ...]
    """Derived events, by their own names."""
    hears: tuple[str, ...]
    """Derived events of others, `plugin.event`."""
    tick_ms: int
    """Engine time between two ticks; 0: it has none."""
    settings: tuple[tuple[str, str, str, bool], ...]
    """Of the plugin's `config`: name, type, default as text, whether it is required."""
    states: tuple["LuaState", ...] = field(repr=False)

    @property
    def memory_bytes(self) -> int:
        """What the states have allocated now. Any time."""
        return sum(state.runtime.get_memory_used() for state in self.states)

    @property
    def trace_aborts(self) -> int:
        """How often LuaJIT gave up compiling; it differs from run to run. Any time."""
        return sum(state.traces[0] for state in self.states)

    @property
    def traces_blacklisted(self) -> int:
        """Loops and functions that LuaJIT will not try again, which stay slow. Any time."""
        return sum(state.traces[1] for state in self.states)

    def first_failure(self) -> str | None:
        """The first error of a handler, `file:line: ...`. Not while a worker runs."""
        return next((text for state in self.states if (text := state.first_failure())), None)

    def late_calls(self) -> int:
        """How many calls the clock ended, not their steps. Not while a worker runs.

        It differs from run to run, so it is in no statistics.
        """
        return sum(state.late_calls() for state in self.states)


@dataclass(frozen=True, slots=True)
class LuaState:
    """One LuaJIT state with the plugin in it: serves one worker."""

    runtime: Any
    loaded: tuple[Any, ...]
    """What host/dispatch.lua returned."""
    settings: str
    """What host/config.lua says of them."""

    @property
    def traces(self) -> tuple[int, int]:
        """What host/host.lua counts: attempts given up, and places that are not tried again."""
        given_up, blacklisted = (ctypes.c_uint32 * 2).from_address(int(self.loaded[-3]))
        return given_up, blacklisted

    def first_failure(self) -> str | None:
        """The first error of a handler in this state."""
        function: Callable[[], str | None] = self.loaded[-1]
        try:
            text = function()
        except luajit.LuaMemoryError:
            return "a plugin's memory budget is used up"
        return None if text is None else _to_text(text)

    def late_calls(self) -> int:
        """How many calls the clock ended."""
        return int(self.loaded[-2]())


def load_plugin(
    path: Path,
    *,
    library: Path,
    workers: int,
    settings: Settings | None = None,
    settings_by_name: Mapping[str, Settings] | None = None,
    memory_bytes: int = MEMORY_BYTES,
    is_compiled: bool = True,
) -> LuaPlugin:
    """Load a plugin file once for each worker; raises LuaError.

    library: libstellar.so as the engine has it loaded. settings: values for the plugin's `config`;
    texts are read as the types declared there. settings_by_name: the same of several plugins, by
    the names that they give themselves.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise LuaError(f"{path}: expected a readable file, found: {error.strerror}") from error
    checked = _check_source(source, path)
    states = tuple(
        _load_state(
            (source, checked),
            path,
            library,
            (settings or {}, settings_by_name or {}),
            memory_bytes,
            is_compiled,
        )
        for _ in range(workers)
    )
    name, version, events, before, after, size, fail_open, *_ = states[0].loaded
    load_entry, raises, hears, tick_ms = states[0].loaded[13:17]
    return LuaPlugin(
        name=name,
        version=_to_text(version),
        events=tuple(events.split()),
        before=tuple(before.split()),
        after=tuple(after.split()),
        context_size=int(size),
        fail_open=bool(fail_open),
        entries=tuple(
            dict(zip(_ENTRIES, map(int, state.loaded[7:13]), strict=True)) for state in states
        ),
        load_entry=int(load_entry),
        raises=tuple(raises.split()),
        hears=tuple(hears.split()),
        tick_ms=int(tick_ms),
        settings=tuple(_read_setting(line) for line in states[0].settings.split("\n") if line),
        states=states,
    )


def _check_source(source: bytes, path: Path) -> bytes:
    """The source with the checks of the time budget; what is no Lua as it is: LuaJIT tells why."""
    try:
        return instrument(source) or b"="
    except SourceError as error:
        raise LuaError(f"{path}:{error.line}: {error}") from error


def _load_state(
    sources: tuple[bytes, bytes],
    path: Path,
    library: Path,
    settings: tuple[Settings, Mapping[str, Settings]],
    memory_bytes: int,
    is_compiled: bool,
) -> LuaState:
    runtime = luajit.LuaRuntime(
        encoding=_ENCODING,
        unpack_returned_tuples=True,
        register_eval=False,
        register_builtins=False,
        attribute_filter=_refuse_attribute,
        max_memory=memory_bytes + _HOST_BYTES,
    )
    parts = {
        f"{part.parent.name}/{part.stem}": part.read_bytes().decode(_ENCODING)
        for folder in ("host", "library", "view")
        for part in sorted((_HERE / folder).glob("*.lua"))
    }
    declarations = (_HERE / "declarations.h").read_text(encoding=_ENCODING)
    if not COMPILES:
        runtime.execute("jit.off()")
    try:
        if not is_compiled:  # tests: both ways do the same
            runtime.execute("jit.off()")
        load = runtime.execute(
            parts["host/host"],
            runtime.table_from(parts),
            str(library),
            luajit.__file__,
            declarations,
            memory_bytes,
            name="=host/host.lua",
        )
        done, *results = load(
            *(source.decode(_ENCODING) for source in sources),
            str(path).encode().decode(_ENCODING),
            runtime.table_from(_encode(settings[0])),
            runtime.table_from({k: runtime.table_from(_encode(v)) for k, v in settings[1].items()}),
        )
    except luajit.LuaMemoryError as error:
        raise LuaError(
            f"{path}: expected to load within {memory_bytes} bytes, found not enough memory"
        ) from error
    except luajit.LuaError as error:  # ours: a plugin's own errors are returned
        raise LuaError(f"{path}: {_to_text(str(error))}") from error
    if not done:
        raise LuaError(_to_text(results[0]))
    return LuaState(runtime, tuple(results[1:]), _to_lines(results[0]))


def _refuse_attribute(_object: object, _name: object, _is_setting: bool) -> object:
    """No Lua code reaches into a Python object; none is given to it either."""
    raise AttributeError("not available in a plugin")


def _encode(settings: Settings) -> dict[str, bool | float | str]:
    """Texts as their bytes in UTF-8, which is what a plugin sees."""
    return {
        key: value.encode().decode(_ENCODING) if isinstance(value, str) else value
        for key, value in settings.items()
    }


def _read_setting(line: str) -> tuple[str, str, str, bool]:
    name, kind, default, required = line.split("\t")
    return name, kind, default, required == "required"


def _to_lines(text: str) -> str:
    return text.encode(_ENCODING).decode("utf-8", "replace")


def _to_text(text: str) -> str:
    return text.encode(_ENCODING).decode("utf-8", "replace").splitlines()[0] if text else ""
