# SPDX-License-Identifier: Apache-2.0
"""Plugins of an engine process: where they came from, and their next versions while traffic flows.

A recorded engine keeps the file of each version before it is in force: a replay needs it, however
the engine ends.
"""

import errno
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stellar.engine import Engine, PluginError, StellarError
from stellar.engine.plugins import add_plugin, reload_plugin
from stellar.engine.recording import forget_version, keep_version
from stellar.telemetry.log import quote

__all__ = ["Plugins"]

_log = logging.getLogger(__name__)
_ANSWERED = ("name", "version", "reloads", "versions", "contexts", "old_contexts")


class Plugins:
    """Adds plugins to an engine and reloads them. One thread, that of the engine's calls."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self._engine = engine
        self._workers = workers
        self._files: dict[str, tuple[Path, Mapping[str, str]]] = {}
        self.run: Path | None = None
        """Where the engine records; None: it does not."""

    def add(self, path: Path, settings: Mapping[str, str]) -> None:
        """Add a plugin before the engine starts; raises PluginError."""
        add_plugin(self._engine, path, workers=self._workers, settings=settings)
        self._files[self._engine.plugin_stats()[-1]["name"]] = (path, settings)

    def files(self) -> list[tuple[Path, Mapping[str, str]]]:
        """The files that were added, in order, with their settings."""
        return list(self._files.values())

    def reload(self, name: str, path: Path | None) -> dict[str, Any]:
        """Put another version in force, of a file or of the one it had; raises PluginError."""
        ids = {stats["name"]: i for i, stats in enumerate(self._engine.plugin_stats())}
        if name not in ids:
            known = ", ".join(ids)
            raise PluginError(f"plugin: expected one of {known}, found {name}", errno.ENOENT)
        before = self._engine.plugin_stats()[ids[name]]
        file = path or self._files[name][0]
        settings = self._files[name][1]
        number = before["reloads"] + 1
        kept = self._keep(ids[name], number, file, settings)
        try:
            reload_plugin(
                self._engine, name, kept or file, workers=self._workers, settings=settings
            )
        except StellarError as error:
            if kept is None:
                raise
            if self._engine.plugin_stats()[ids[name]]["reloads"] != number:
                forget_version(self.run, ids[name], number)
            raise PluginError(str(error).replace(str(kept), str(file)), error.errno) from error
        self._files[name] = (file, settings)
        stats = self._engine.plugin_stats()[ids[name]]
        _log.info("plugin=%s version=%s before=%s", name, stats["version"], before["version"])
        return {
            **{key: stats[key] for key in _ANSWERED},
            "version_before": before["version"],
            "path": str(file),
        }

    def _keep(
        self, plugin_id: int, number: int, file: Path, settings: Mapping[str, str]
    ) -> Path | None:
        if self.run is None or not file.is_file():
            return None
        try:
            return keep_version(self.run, plugin_id, number, file, settings)
        except OSError as error:
            # Traffic first: the recording can't be replayed beyond here, and its replay says so.
            _log.error("recording=%s lacks=%s error=%s", self.run, file, quote(error))
            return None

    def collect(self) -> None:
        """Unload old versions that no session has any more. Now and then."""
        self._engine.collect_plugins()
