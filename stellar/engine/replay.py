# SPDX-License-Identifier: Apache-2.0
"""Runs captures through the engine, as fast as it can and the same way every time.

Each capture is a run of its own: an empty table, the clock of its packets, a fixed hash secret.
Called by `stellar replay` and by programs. It compiles nothing: a policy comes as an image.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stellar.engine import Engine, ResourceError
from stellar.engine.figures import Figures
from stellar.engine.plugins import FirstFailure, PluginSettings, add_plugins

__all__ = ["EVENT_TYPES", "ReplayOptions", "ReplayResult", "run"]

EVENT_TYPES = ("flow", "drop", "anomaly", "stats", "plugin")
INTERFACE = "capture"
_HASH_SEED = (0x0123456789ABCDEF, 0xFEDCBA9876543210)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What to run, and how."""

    captures: Sequence[Path] = ()
    interfaces: Mapping[str, Path] = field(default_factory=dict)
    """Captures of one run, by the interface that they are of; instead of `captures`."""
    plugins: Sequence[Path] = ()
    plugin_settings: PluginSettings = field(default_factory=dict)
    """Settings by the name of their plugin, or of its file without the suffix."""
    policy_image: bytes | None = None
    inline: bool = False
    """Verdicts bite: what is dropped is not forwarded."""
    midstream: bool = True
    """TCP sessions may begin with something else than a SYN."""
    verify_checksums: bool = True
    workers: int = 1
    """How many judge the packets. The events of each session are the same for any number."""
    burst_size: int = 64
    session_capacity: int = 1 << 20
    full_action: str = "evict_embryonic"
    """What happens when the table is full: evict_embryonic, drop_new, pass_untracked."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """What a worker may keep, by the names of `limit_defaults`; the others keep their default."""
    tunnel_parents: bool = False
    """Tunnels are sessions, parents of those inside."""
    target_profile: str = "linux"
    """How hosts put overlapping pieces together."""
    events: str | None = None
    """Path of EVE JSON lines, `-` for standard output; the file is written anew."""
    event_types: Sequence[str] = EVENT_TYPES
    watch: Callable[[Engine], AbstractContextManager[None]] | None = None
    """Called with each engine that has started; left when its run is over."""
    write: Path | None = None
    """Capture of what was forwarded and generated; only with one capture to read. With
    `interfaces` a folder: each has its own, NAME.pcap."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of it."""

    stats: dict[str, Any]
    problems: list[str]
    """One line for each capture that could not be read, or not to its end."""
    imbalance: int
    plugin_failures: list[str]
    """The first error of each Lua plugin that failed, `file:line: ...`."""


def run(options: ReplayOptions) -> ReplayResult:
    """Run every capture; one that can't be read is a problem, the others go on.

    Raises StellarError when the engine can't be set up: a plugin or a policy was refused, or an
    output can't be written.
    """
    if options.interfaces and options.captures:
        raise ValueError("captures or interfaces, not both")
    if options.write is not None and not options.interfaces and len(options.captures) != 1:
        raise ValueError("write goes with exactly one capture")
    if options.events is not None and options.events != "-":
        Path(options.events).write_bytes(b"")
    figures = Figures()
    problems: list[str] = []
    failures: dict[str, None] = {}  # in order, each once
    first_session_id = 1
    began = time.monotonic()
    # Each is a run of its own.
    runs: list[Mapping[str, Path]] = [{INTERFACE: capture} for capture in options.captures]
    for captures in runs or [options.interfaces]:
        engine, plugins = _prepare(options, first_session_id)
        try:
            problem = _run_one(engine, captures, options)
            failures |= {text: None for tell in plugins if (text := tell()) is not None}
            figures.add(engine)
            first_session_id += engine.session_stats()["created"]
        finally:
            engine.close()
        if problem is not None:
            problems.append(problem)
    stats = figures.to_json(time.monotonic() - began)
    return ReplayResult(
        stats=stats,
        problems=problems,
        imbalance=figures.imbalance,
        plugin_failures=list(failures),
    )


def _prepare(options: ReplayOptions, first_session_id: int) -> tuple[Engine, list[FirstFailure]]:
    engine = Engine(
        workers=options.workers,
        burst_size=options.burst_size,
        session_capacity=options.session_capacity,
        full_action=options.full_action,
        verify_checksums=options.verify_checksums,
        inline=options.inline,
        midstream=options.midstream,
        hash_seed=_HASH_SEED,
        limits=options.limits,
        target_profile=options.target_profile,
        tunnel_parents=options.tunnel_parents,
        first_session_id=first_session_id,
    )
    plugins = add_plugins(
        engine, options.plugins, workers=options.workers, settings=options.plugin_settings
    )
    if options.events is not None:
        engine.set_event_output(options.events, options.event_types)
    return engine, plugins


def _run_one(engine: Engine, captures: Mapping[str, Path], options: ReplayOptions) -> str | None:
    """Run captures together, in the order of time; returns what was wrong with them, or None."""
    interfaces = []
    for name, capture in captures.items():
        try:
            interfaces.append(engine.add_interface(name, f"pcap:{capture}"))
        except ResourceError as error:
            return str(error)
    for interface, name in zip(interfaces, captures, strict=True):
        output = None
        if options.write is not None:
            path = options.write / f"{name}.pcap" if options.interfaces else options.write
            label = f"output-{name}" if options.interfaces else "output"
            output = engine.add_interface(label, f"pcap:{path}?write=1")
        engine.add_tap(interface, output)
    engine.start()
    if options.policy_image is not None:
        engine.apply_policy(options.policy_image)
    with options.watch(engine) if options.watch is not None else nullcontext():
        is_whole = _run_workers(engine, options.workers)
    if is_whole:
        return None
    problems = (engine.interface_error(interface) for interface in interfaces)
    return next((problem for problem in problems if problem), "a capture is cut")


def _run_workers(engine: Engine, workers: int) -> bool:
    """Run all of them, the one that reads the capture on this thread; whether it was whole."""
    others = [
        threading.Thread(target=engine.run_worker, args=(worker,), name=f"worker-{worker}")
        for worker in range(1, workers)
    ]
    for thread in others:
        thread.start()
    try:
        return engine.run_worker(0)
    finally:
        for thread in others:
            thread.join()
