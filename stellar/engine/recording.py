# SPDX-License-Identifier: Apache-2.0
"""Recordings: a directory a run, with all that its replay needs but the engine itself.

`run-N/` has `manifest.json` (the engine's configuration, seed, topology and plugins), the plugins'
files in `plugins/DIGEST/`, `plugin-ID-NUMBER.json` for each version that a reload put in force, and
what the engine writes by itself (native/engine/recording.h): segments and policy images. The newest
`RUNS_KEPT` are kept: an engine that dies again and again must not fill the disk.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stellar
from stellar.engine import Engine, StellarError
from stellar.engine.figures import Figures
from stellar.engine.plugins import FirstFailure, add_plugin, reload_plugin

__all__ = [
    "RUNS_KEPT",
    "Recorded",
    "begin_run",
    "describe_run",
    "find_run",
    "forget_version",
    "keep_version",
    "replay_run",
]

RUNS_KEPT = 4
_MANIFEST = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """What replaying a recording came to."""

    stats: dict[str, Any]
    imbalance: int
    position: dict[str, Any]
    """Where it ended, as `Engine.replay` says."""
    notes: list[str]
    """What keeps it from being the same as it was, a line each."""


def begin_run(directory: Path) -> Path:
    """A new directory for the engine that is about to start; old ones go."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    runs = _runs(directory)
    for run in runs[: len(runs) - RUNS_KEPT + 1]:
        _remove(run)
    number = int(runs[-1].name.removeprefix("run-")) + 1 if runs else 1
    run = directory / f"run-{number:06}"
    run.mkdir(mode=0o750)
    return run


def _runs(directory: Path) -> list[Path]:
    return sorted(
        path
        for path in directory.glob("run-*")
        if path.is_dir() and path.name.removeprefix("run-").isdigit()
    )


def _remove(run: Path) -> None:
    """Also what a killed engine left in memory, where links lead."""
    for path in run.glob("*.segment"):
        if path.is_symlink():
            with contextlib.suppress(OSError):
                path.readlink().unlink()
    shutil.rmtree(run, ignore_errors=True)


def describe_run(
    run: Path,
    engine: Engine,
    *,
    settings: Mapping[str, Any],
    topology: Mapping[str, Any],
    plugins: Sequence[tuple[Path, Mapping[str, str]]],
    event_types: Sequence[str],
) -> None:
    """Write the manifest of an engine that has started, before its workers run."""
    interfaces = [
        {"name": each["name"], "frame_max": engine.frame_max(position)}
        for position, each in enumerate(engine.interface_stats())
    ]
    manifest = {
        "format": _FORMAT,
        "version": stellar.__version__,
        "engine": {**settings, "hash_seed": [f"{part:016x}" for part in engine.hash_seed]},
        "interfaces": interfaces,
        **topology,
        "plugins": [
            {"file": _keep(run, path), "path": str(path), "settings": dict(values)}
            for path, values in plugins
        ],
        "event_types": list(event_types),
    }
    text = json.dumps(manifest, indent=2) + "\n"
    (run / _MANIFEST).write_text(text, encoding="utf-8")


def _keep(run: Path, path: Path) -> str:
    """Copy a plugin into the run; under its own name, which its messages have."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = run / "plugins" / digest / path.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, kept)
    return str(kept.relative_to(run))


def keep_version(
    run: Path, plugin_id: int, number: int, path: Path, settings: Mapping[str, str]
) -> Path:
    """Keep the file of a version that is about to be in force; returns what to load: the copy."""
    kept = _keep(run, path)
    text = json.dumps({"file": kept, "path": str(path), "settings": dict(settings)}) + "\n"
    _version_file(run, plugin_id, number).write_text(text, encoding="utf-8")
    return run / kept


def forget_version(run: Path | None, plugin_id: int, number: int) -> None:
    """It was refused."""
    if run is not None:
        _version_file(run, plugin_id, number).unlink(missing_ok=True)


def _version_file(run: Path, plugin_id: int, number: int) -> Path:
    return run / f"plugin-{plugin_id}-{number}.json"


def find_run(directory: Path) -> Path:
    """The run that a directory is, or has; raises StellarError, also when it has several."""
    if (directory / _MANIFEST).is_file():
        return directory
    runs = [run for run in _runs(directory) if (run / _MANIFEST).is_file()]
    if len(runs) == 1:
        return runs[0]
    found = ", ".join(run.name for run in runs) or "none"
    raise StellarError(f"{directory}: expected a recording, or a directory with one, found {found}")


def replay_run(
    run: Path,
    *,
    events: str | None = None,
    event_types: Sequence[str] | None = None,
    until: Sequence[str] = (),
    until_ns: int = 0,
) -> Recorded:
    """Replay a run to its end, or to the first event line that has all texts of `until`."""
    manifest = _read_manifest(run)
    if events is not None and events != "-":
        Path(events).write_bytes(b"")
    engine, failures = _build(run, manifest, events, event_types)
    try:
        engine.start()
        while (position := engine.replay(str(run), until, until_ns))["end"] == "plugin":
            failures.append(_reload(run, engine, position))
        figures = Figures()
        figures.add(engine)
        notes = _notes(manifest, position) + [text for tell in failures if (text := tell())]
        return Recorded(figures.to_json(0), figures.imbalance, position, notes)
    finally:
        engine.close()


def _read_manifest(run: Path) -> dict[str, Any]:
    path = run / _MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StellarError(f"{path}: expected the manifest of a recording: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise StellarError(f"{path}: expected format {_FORMAT}")
    return manifest


def _build(
    run: Path, manifest: dict[str, Any], events: str | None, event_types: Sequence[str] | None
) -> tuple[Engine, list[FirstFailure]]:
    try:
        settings = dict(manifest["engine"])
        first, second = (int(part, 16) for part in settings.pop("hash_seed"))
        engine = Engine(**settings, hash_seed=(first, second))
        for prefix, length, profile in manifest["targets"]:
            engine.add_target(bytes.fromhex(prefix), length, profile)
        for interface in manifest["interfaces"]:
            name = interface["name"]
            engine.add_interface(name, f"recorded:{name}?frame_max={interface['frame_max']}")
        for first, second, pass_non_ip in manifest["wires"]:
            engine.add_wire(first, second, pass_non_ip=pass_non_ip)
        for interface_id in manifest["taps"]:
            engine.add_tap(interface_id)
        workers = settings["workers"]
        failures = [
            add_plugin(engine, _kept(run, each["file"]), workers=workers, settings=each["settings"])
            for each in manifest["plugins"]
        ]
        if events is not None:
            engine.set_event_output(events, event_types or manifest["event_types"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise StellarError(f"{run / _MANIFEST}: it is no manifest: {problem}") from error
    return engine, failures


def _reload(run: Path, engine: Engine, position: dict[str, Any]) -> FirstFailure:
    """Put the version in force that was put in force there."""
    plugin_id, number = position["plugin_id"], position["plugin_version"]
    name = engine.plugin_stats()[plugin_id]["name"]
    path = _version_file(run, plugin_id, number)
    try:
        version = json.loads(path.read_text(encoding="utf-8"))
        file, settings = _kept(run, version["file"]), dict(version["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StellarError(
            f"{path}: expected the version of {name} that came into force after packet "
            f"{position['packets']}, found: {error}"
        ) from error
    return reload_plugin(engine, name, file, workers=1, settings=settings)


def _kept(run: Path, file: str) -> Path:
    path = (run / file).resolve()
    if not path.is_relative_to(run.resolve()):
        raise StellarError(f"{run / _MANIFEST}: expected a file of the recording, found {file}")
    return path


def _notes(manifest: dict[str, Any], position: dict[str, Any]) -> list[str]:
    notes = []
    if manifest["version"] != stellar.__version__:
        found = manifest["version"]
        notes.append(f"recorded by version {found}, replayed by {stellar.__version__}")
    if position["lost_packets"]:
        lost = position["lost_packets"]
        notes.append(f"its first {lost} packets are gone: sessions of that time are not known")
    if position["resumed"]:
        notes.append(f"{position['resumed']} sessions were another engine's and are not known")
    if position["diverged_packet"]:
        notes.append(f"from packet {position['diverged_packet']} on it is not as it was")
    if position["end"] == "cut":
        notes.append("nothing was recorded after that: sessions stay open")
    if position["line"]:
        notes.append(position["line"])
    return notes
