# SPDX-License-Identifier: Apache-2.0
"""Children are started in order, restarted when they die, and stopped the other way round."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stellar.control.supervisor import Child, Supervisor

LIMIT_SEC = 20

# Reports its name and process id, then lives until SIGTERM, which it reports too.
LIVES = """
import os, signal, socket, sys
reports = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
reports.connect(sys.argv[2])
def report(word):
    reports.send(f"{sys.argv[1]} {word} {os.getpid()}".encode())
signal.signal(signal.SIGTERM, lambda number, frame: (report("stopped"), sys.exit(0)))
report("started")
while True:
    signal.pause()
"""
DEAF = LIVES.replace('lambda number, frame: (report("stopped"), sys.exit(0))', "signal.SIG_IGN")


class Reports:
    """What the children report, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._seen: list[tuple[str, str, int]] = []

    def _keep(self, line: bytes) -> None:
        name, word, pid = line.decode().split()
        self._seen.append((name, word, int(pid)))

    def seen(self) -> list[tuple[str, str, int]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._keep(self._socket.recv(256))
        return self._seen

    def words(self) -> list[str]:
        return [f"{name} {word}" for name, word, _ in self.seen()]

    def pids(self, name: str) -> list[int]:
        return [pid for each, word, pid in self.seen() if (each, word) == (name, "started")]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_SEC):
            while not condition():
                self._keep(await asyncio.get_running_loop().sock_recv(self._socket, 256))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def log(tmp_path):
    reports = Reports(tmp_path / "reports")
    yield reports
    reports.close()


def make_child(name, log, *, program=LIVES, **limits):
    async def is_ready():
        return bool(log.pids(name))

    return Child(name, (sys.executable, "-c", program, name, str(log.path)), is_ready, **limits)


def supervise(children, while_ready):
    async def main():
        supervisor = Supervisor(tuple(children))
        ready = asyncio.Event()
        task = asyncio.create_task(supervisor.run(ready.set))
        await asyncio.wait_for(ready.wait(), LIMIT_SEC)
        await while_ready(supervisor)
        supervisor.stop()
        return await asyncio.wait_for(task, LIMIT_SEC)

    return asyncio.run(main())


def test_children_start_in_order_and_stop_in_reverse(log):
    async def nothing(supervisor):
        pass

    code = supervise([make_child("engine", log), make_child("control", log)], nothing)

    assert code == 0
    assert log.words() == ["engine started", "control started", "control stopped", "engine stopped"]


def test_killed_child_is_started_again_and_the_other_left_alone(log):
    async def kill_engine(supervisor):
        os.kill(log.pids("engine")[0], signal.SIGKILL)
        await log.until(lambda: len(log.pids("engine")) == 2)

    code = supervise([make_child("engine", log), make_child("control", log)], kill_engine)

    assert code == 0
    assert len(set(log.pids("engine"))) == 2
    assert len(log.pids("control")) == 1


def test_child_that_ignores_the_signal_is_killed(log):
    async def nothing(supervisor):
        pass

    child = make_child("engine", log, program=DEAF, stop_limit_sec=0.1)
    code = supervise([child], nothing)

    assert code == 0
    with pytest.raises(ProcessLookupError):
        os.kill(log.pids("engine")[0], 0)


def test_child_that_dies_at_start_is_a_failed_start(log):
    dies = Child(
        "engine", (sys.executable, "-c", "raise SystemExit(2)"), make_child("x", log).is_ready
    )
    control = make_child("control", log)

    code = asyncio.run(asyncio.wait_for(Supervisor((dies, control)).run(lambda: None), LIMIT_SEC))

    assert code == 1
    assert log.seen() == []


def test_child_that_never_answers_is_a_failed_start(log):
    async def never():
        return False

    child = make_child("engine", log)
    mute = Child("engine", child.argv, never, start_limit_sec=0.1)

    code = asyncio.run(asyncio.wait_for(Supervisor((mute,)).run(lambda: None), LIMIT_SEC))

    assert code == 1


def test_children_end_when_their_supervisor_is_killed(log, tmp_path):
    program = tmp_path / "supervise.py"
    program.write_text(
        "import asyncio\n"
        "from stellar.control.supervisor import Child, Supervisor\n"
        "async def ready():\n"
        "    return True\n"
        f"argv = {make_child('engine', log).argv!r}\n"
        "child = Child('engine', argv, ready)\n"
        "asyncio.run(Supervisor((child,)).run(lambda: None))\n"
    )

    async def main():
        process = await asyncio.create_subprocess_exec(sys.executable, str(program))
        await log.until(lambda: log.pids("engine"))
        process.kill()
        await process.wait()
        await log.until(lambda: "engine stopped" in log.words())

    asyncio.run(main())
