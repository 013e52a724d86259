# SPDX-License-Identifier: Apache-2.0
"""`stellar run`: directories, the lock, the background, signals; the supervisor does the rest."""

import asyncio
import logging
import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from stellar.control.engine_client import EngineClient, EngineRefused, EngineUnavailable
from stellar.control.machine import check_machine
from stellar.control.pid_file import PidFile
from stellar.control.supervisor import Supervisor, appliance_children
from stellar.engine.config import ApplianceConfig, load_config
from stellar.telemetry.log import quote, start_logging

__all__ = ["run_background", "run_foreground"]

_logger = logging.getLogger(__name__)
_READY_LIMIT_SEC = 90.0


def run_foreground(
    path: Path, pid_file: Path | None, engine_arguments: tuple[str, ...] = ()
) -> int:
    """Run the appliance until SIGTERM or SIGINT; returns the exit code."""
    config = load_config(path)
    check_machine(config, path)
    pid_files = _take_pid_files(config, pid_file)
    return _supervise(config, path, pid_files, engine_arguments, lambda: None)


def run_background(
    path: Path,
    pid_file: Path | None,
    log_file: Path | None,
    engine_arguments: tuple[str, ...] = (),
) -> int:
    """Run the appliance as a daemon; returns when it works (0) or has failed (1)."""
    path = path.absolute()
    config = load_config(path)
    check_machine(config, path)
    log_file = log_file or config.events.path.parent / "stellar.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    pid_files = _take_pid_files(config, pid_file)
    log_start = log_file.stat().st_size if log_file.exists() else 0
    ready_read, ready_write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() == 0:
        os.close(ready_read)
        _become_daemon(log_file)
        return _supervise(
            config, path, pid_files, engine_arguments, lambda: _tell_ready(ready_write)
        )
    os.close(ready_write)
    for each in pid_files:
        each.close()
    if _is_told_ready(ready_read):
        if asyncio.run(_lacks_policy(config)):
            warning = "no policy is in force, stellar policy show says why"
            print(f"warning: {warning}", file=sys.stderr)
        return 0
    _show_errors(log_file, log_start)
    return 1


async def _lacks_policy(config: ApplianceConfig) -> bool:
    try:
        answer = await EngineClient(config.engine_socket).call("ping")
    except (EngineUnavailable, EngineRefused):
        return False
    return bool(answer["generation"] == 0)


def _take_pid_files(config: ApplianceConfig, pid_file: Path | None) -> list[PidFile]:
    own = config.runtime_directory / "stellar.pid"
    taken = [PidFile(own)]
    if pid_file is not None and pid_file.absolute() != own:
        taken.append(PidFile(pid_file.absolute()))
    return taken


def _become_daemon(log_file: Path) -> None:
    """Leave the terminal; what is printed from now on goes to the log."""
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def _tell_ready(ready_write: int) -> None:
    os.write(ready_write, b"1")
    os.close(ready_write)


def _is_told_ready(ready_read: int) -> bool:
    """Whether the daemon wrote that it works; its end of the pipe closes when it dies."""
    try:
        readable, _, _ = select.select([ready_read], [], [], _READY_LIMIT_SEC)
        return bool(readable) and os.read(ready_read, 1) == b"1"
    finally:
        os.close(ready_read)


def _show_errors(log_file: Path, start: int) -> None:
    """What the daemon's processes said since start, on the terminal that asked for them."""
    with log_file.open("rb") as stream:
        stream.seek(start)
        lines = stream.read(65536).decode(errors="replace").splitlines()
    spoken = [line for line in lines if not line.startswith("time=")]
    logged = [line for line in lines if " level=ERROR " in line]
    for line in spoken or logged or [f"{log_file}: the appliance did not start, the log says why"]:
        print(line, file=sys.stderr)


def _supervise(
    config: ApplianceConfig,
    path: Path,
    pid_files: list[PidFile],
    engine_arguments: tuple[str, ...],
    on_ready: Callable[[], None],
) -> int:
    start_logging("supervisor")
    config.runtime_directory.mkdir(parents=True, exist_ok=True)
    config.state_directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    config.events.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        for each in pid_files:
            each.write()
        return asyncio.run(_run_until_stopped(config, path, engine_arguments, on_ready))
    finally:
        for each in pid_files:
            each.remove()


async def _run_until_stopped(
    config: ApplianceConfig,
    path: Path,
    engine_arguments: tuple[str, ...],
    on_ready: Callable[[], None],
) -> int:
    supervisor = Supervisor(appliance_children(config, path, engine_arguments))
    engine = EngineClient(config.engine_socket)
    reopening: set[asyncio.Task[None]] = set()

    def reopen_events() -> None:
        task = asyncio.create_task(_reopen_events(engine))
        reopening.add(task)  # the loop itself keeps no reference
        task.add_done_callback(reopening.discard)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, supervisor.stop)
    loop.add_signal_handler(signal.SIGINT, supervisor.stop)
    loop.add_signal_handler(signal.SIGHUP, reopen_events)
    return await supervisor.run(on_ready)


async def _reopen_events(engine: EngineClient) -> None:
    try:
        await engine.call("reopen_events")
        _logger.info("event=events_reopened")
    except (EngineUnavailable, EngineRefused) as error:
        _logger.error("event=events_not_reopened reason=%s", quote(error))
