# SPDX-License-Identifier: Apache-2.0
"""Starts the engine process and the control daemon, and starts them again when they die.

The engine first, the control daemon when the engine answers; the other way round at the end. Until
both have answered once, a child that dies is a failed start; afterwards it is started again. Where
systemd runs, its units do this work. Called by `stellar run`.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from stellar.control.engine_client import EngineClient, EngineRefused, EngineUnavailable
from stellar.control.restart import RestartDelay
from stellar.engine.config import ApplianceConfig
from stellar.telemetry.log import quote

__all__ = ["Child", "Supervisor", "appliance_children"]

_logger = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_POLL_SEC = 0.02


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running."""

    name: str
    argv: tuple[str, ...]
    is_ready: Callable[[], Awaitable[bool]]
    start_limit_sec: float = 30.0
    stop_limit_sec: float = 10.0


def appliance_children(
    config: ApplianceConfig, path: Path, engine_arguments: tuple[str, ...] = ()
) -> tuple[Child, ...]:
    """The two processes of an appliance, in starting order."""
    engine = EngineClient(config.engine_socket, timeout_sec=2.0)

    async def engine_answers() -> bool:
        try:
            await engine.call("ping")
        except (EngineUnavailable, EngineRefused):
            return False
        return True

    async def control_listens() -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(str(config.api_socket))
        except OSError:
            return False
        writer.close()
        return True

    python = (sys.executable, "-P", "-m")
    arguments = ("--config", str(path))
    return (
        Child(
            "engine",
            (*python, "stellar.engine.process", *arguments, *engine_arguments),
            engine_answers,
        ),
        Child("control", (*python, "stellar.control.daemon", *arguments), control_listens),
    )


class Supervisor:
    """Keeps children running until it is told to stop."""

    def __init__(self, children: tuple[Child, ...]) -> None:
        self._children = children
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._is_started = False
        self._is_failed = False

    def stop(self) -> None:
        """Begin the orderly end; run returns when all children are gone."""
        self._stopping.set()

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Start all, report readiness, and stay until stopped. Returns the exit code."""
        try:
            for child in self._children:
                self._tasks[child.name] = asyncio.create_task(self._keep(child))
                if not await self._becomes_ready(child):
                    break
            else:
                self._is_started = True
                _logger.info("event=ready")
                on_ready()
                await self._stopping.wait()
        finally:
            await self._stop_all()
        return 1 if self._is_failed else 0

    async def _becomes_ready(self, child: Child) -> bool:
        """Whether a starting child answered before it died, its time ran out or we must stop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + child.start_limit_sec
        while not self._stopping.is_set():
            if await child.is_ready():
                return True
            if loop.time() > deadline:
                limit = child.start_limit_sec
                _logger.error("event=start_timeout child=%s limit_sec=%g", child.name, limit)
                self._is_failed = True
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _POLL_SEC)
        return False

    async def _keep(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        restart = RestartDelay()
        while not self._stopping.is_set():
            started = loop.time()
            process = await asyncio.create_subprocess_exec(
                *child.argv,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),
            )
            self._processes[child.name] = process
            _logger.info("event=started child=%s pid=%d", child.name, process.pid)
            code = await process.wait()
            if self._stopping.is_set():
                return
            _logger.error(
                "event=died child=%s pid=%d status=%s", child.name, process.pid, _status(code)
            )
            if not self._is_started:
                self._is_failed = True
                self._stopping.set()
                return
            with contextlib.suppress(TimeoutError):
                delay_sec = restart.after(loop.time() - started)
                await asyncio.wait_for(self._stopping.wait(), delay_sec)

    async def _stop_all(self) -> None:
        self._stopping.set()
        for child in reversed(self._children):
            task = self._tasks.get(child.name)
            if task is None:
                continue
            process = self._processes.get(child.name)
            if process is not None and process.returncode is None:
                await _end(child, process)
            await task
            _logger.info("event=stopped child=%s", child.name)


async def _end(child: Child, process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL when that takes too long."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), child.stop_limit_sec)
    except TimeoutError:
        _logger.error("event=kill child=%s limit_sec=%g", child.name, child.stop_limit_sec)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _status(code: int) -> str:
    if code >= 0:
        return f"exit_{code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return quote(f"signal_{-code}")


def _die_with_parent(parent_pid: int) -> Callable[[], None]:
    """What a child does before it becomes its program: end when the supervisor is killed.

    Otherwise children of a killed supervisor would hold devices that its successor needs.
    """
    libc = ctypes.CDLL(None)

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent_pid:
            os._exit(1)

    return before_exec
