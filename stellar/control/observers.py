# SPDX-License-Identifier: Apache-2.0
"""Starts observers' files for a replay, each in a process of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from stellar.engine import Engine, StellarError
from stellar.engine.observers import observe
from stellar.engine.server import CallError

__all__ = ["ObserverFailed", "watch"]

_REQUEST_BYTES_MAX = 65536


class ObserverFailed(Exception):
    """An observer's file could not be run, or not to its end; one line."""


@contextlib.contextmanager
def watch(files: Sequence[Path], engine: Engine) -> Iterator[None]:
    """Give observers what an engine raises, until the block ends; then wait for them."""
    processes = []
    is_whole = False
    try:
        for file in files:
            processes.append(_start(file, engine))
        yield
        is_whole = True
    finally:
        for process in processes:
            if not is_whole:
                process.kill()
            process.finish()
    failed = [str(process.file) for process in processes if process.code != 0]
    if failed:
        raise ObserverFailed(f"{failed[0]}: the observer failed")


class _Process:
    """One observer; a thread tells the engine when it dies, which would wait for it otherwise."""

    def __init__(self, file: Path, engine: Engine, peer: socket.socket, child: int) -> None:
        self.file = file
        self.code: int | None = None
        self._peer = peer
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stellar.observer.program", str(file), str(child)],
            pass_fds=(child,),
        )
        os.close(child)
        self._engine = engine
        self._lock = threading.Lock()

    def answer(self) -> None:
        """Give it the rings it asks for; raises ObserverFailed."""
        request = self._peer.recv(_REQUEST_BYTES_MAX)
        if not request:
            self._process.wait()
            raise ObserverFailed(f"{self.file}: the observer did not start")
        try:
            attachment = observe(self._engine, json.loads(request))
        except (CallError, StellarError) as error:
            answer = {"ok": False, "error": str(error)}
            self._peer.sendall(json.dumps(answer).encode() + b"\n")
            self._process.wait()
            raise ObserverFailed(f"{self.file}: {error}") from error
        line = json.dumps({"ok": True, **attachment.response}).encode() + b"\n"
        socket.send_fds(self._peer, [line], attachment.descriptors)
        for descriptor in attachment.descriptors:
            os.close(descriptor)
        self._end = attachment.on_end
        self._thread = threading.Thread(target=self._wait, name=f"observer-{self.file.name}")
        self._thread.start()

    def _wait(self) -> None:
        self.code = self._process.wait()
        self._end_rings()

    def _end_rings(self) -> None:
        with self._lock:
            self._end()

    def kill(self) -> None:
        """Nobody wants what it does any more."""
        self._process.kill()

    def finish(self) -> None:
        """No event comes any more: wait until it has read them all."""
        self._end_rings()
        self._thread.join()
        self._peer.close()


def _start(file: Path, engine: Engine) -> _Process:
    ours, theirs = socket.socketpair()
    child = os.dup(theirs.fileno())
    theirs.close()
    process = _Process(file, engine, ours, child)
    try:
        process.answer()
    except ObserverFailed:
        ours.close()
        raise
    return process
