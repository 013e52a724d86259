# SPDX-License-Identifier: Apache-2.0
"""What the engine process answers: one method a call of its socket."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stellar.engine import Engine, PolicyError, StellarError
from stellar.engine.config import ApplianceConfig
from stellar.engine.figures import Figures, session_json
from stellar.engine.observers import observe
from stellar.engine.plugins import plugin_memory, plugin_traces
from stellar.engine.reload import Plugins
from stellar.engine.server import Attachment, CallError

__all__ = ["Calls"]

_LIMIT_DEFAULT = 512


class Calls:
    """Answers requests with what the engine says."""

    def __init__(self, engine: Engine, plugins: Plugins, config: ApplianceConfig) -> None:
        self._engine = engine
        self._reloader = plugins
        self._config = config
        self._began = time.monotonic()
        self._calls: dict[str, Callable[[dict[str, Any]], dict[str, Any] | Attachment]] = {
            "ping": self._ping,
            "stats": self._stats,
            "policy_apply": self._policy_apply,
            "sessions": self._sessions,
            "plugins": self._plugins,
            "plugin_reload": self._plugin_reload,
            "interfaces": self._interfaces,
            "reopen_events": self._reopen_events,
            "observe": self._observe,
            "stop": self._stop,
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any] | Attachment:
        """The response to a request, without `ok`; raises CallError."""
        call = self._calls.get(str(request.get("call")))
        if call is None:
            known = ", ".join(self._calls)
            raise CallError(f"call: expected one of {known}, found {request.get('call')!r}")
        try:
            return call(request)
        except StellarError as error:
            raise CallError(str(error), error.errno) from error

    def _ping(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid(), "generation": self._engine.policy_generation}

    def _stats(self, request: dict[str, Any]) -> dict[str, Any]:
        figures = Figures()
        figures.add(self._engine)
        return {
            **figures.to_json(time.monotonic() - self._began),
            "policy": {"generation": self._engine.policy_generation},
            "interfaces": self._engine.interface_stats(),
            "imbalance": figures.imbalance,
            "recording": self._engine.recording_stats(),
        }

    def _policy_apply(self, request: dict[str, Any]) -> dict[str, Any]:
        path = Path(str(request.get("path")))
        try:
            image = path.read_bytes()
        except OSError as error:
            raise CallError(f"{path}: {error.strerror}", error.errno or 0) from error
        try:
            self._engine.apply_policy(image)
        except PolicyError as error:
            raise CallError(str(error), error.errno) from error
        try:
            self._keep(image)
        except OSError as error:
            raise CallError(
                f"generation {self._engine.policy_generation} is in force, but will not outlive "
                f"the engine: {self._config.policy_image}: {error.strerror}",
                error.errno or 0,
            ) from error
        return {"generation": self._engine.policy_generation}

    def _keep(self, image: bytes) -> None:
        """Keep the image in force, whole or not at all, so that a restart forwards by itself."""
        kept = self._config.policy_image
        fresh = kept.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(kept)

    def _sessions(self, request: dict[str, Any]) -> dict[str, Any]:
        worker, cursor = _parse_cursor(request.get("cursor"))
        limit = request.get("limit", _LIMIT_DEFAULT)
        if not isinstance(limit, int) or limit < 1:
            raise CallError(f"limit: expected a whole number above 0, found {limit!r}")
        if worker >= self._config.engine.workers:
            raise CallError(f"cursor: there is no worker {worker}", errno.EINVAL)
        records, cursor = self._engine.list_sessions(worker, cursor, limit)
        if cursor == 0:
            worker += 1
        interfaces = list(self._config.interface_names)
        at_end = worker == self._config.engine.workers
        return {
            "sessions": [session_json(record, interfaces) for record in records],
            "cursor": None if at_end else f"{worker}:{cursor}",
        }

    def _plugins(self, request: dict[str, Any]) -> dict[str, Any]:
        figures = Figures()
        figures.add(self._engine)
        times = figures.nanoseconds_per_call
        memory = plugin_memory(self._engine)
        traces = plugin_traces(self._engine)
        rows = figures.to_json(time.monotonic() - self._began)["plugins"]
        return {
            "plugins": [
                {
                    **row,
                    "nanoseconds_per_call": times.get(row["name"]),
                    "memory_bytes": memory[row["name"]],
                    **traces.get(row["name"], {}),
                }
                for row in rows
            ]
        }

    def _plugin_reload(self, request: dict[str, Any]) -> dict[str, Any]:
        name, path = request.get("name"), request.get("path")
        if not isinstance(name, str) or not isinstance(path, str | None):
            raise CallError("plugin_reload: expected a name, and a path or none", errno.EINVAL)
        return self._reloader.reload(name, Path(path) if path else None)

    def _interfaces(self, request: dict[str, Any]) -> dict[str, Any]:
        devices = {each.name: each.device for each in self._config.interfaces}
        stats = self._engine.interface_stats()
        return {"interfaces": [{**each, "device": devices[each["name"]]} for each in stats]}

    def _reopen_events(self, request: dict[str, Any]) -> dict[str, Any]:
        self._engine.reopen_events()
        return {}

    def _observe(self, request: dict[str, Any]) -> Attachment:
        return observe(self._engine, request)

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        os.kill(os.getpid(), 15)
        return {}


def _parse_cursor(cursor: object) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    worker, separator, position = str(cursor).partition(":")
    if not separator or not worker.isdigit() or not position.isdigit() or len(position) > 10:
        raise CallError(f"cursor: expected one that a page gave, found {cursor!r}")
    return int(worker), int(position)
