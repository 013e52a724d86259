# SPDX-License-Identifier: Apache-2.0
"""The engine's socket: one JSON object a line in, one out. One thread, no loop of its own events.

Requests are few (control is the only caller) and short, so they are answered one after another. A
peer that sends no line, or too long a one, loses its connection and nobody else's. In between there
is time for what has to be done now and then.
"""

import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Attachment", "CallError", "CallServer"]

_REQUEST_BYTES_MAX = 1 << 20
_SEND_TIMEOUT_SEC = 5.0
_REST_SEC = 1.0


class CallError(Exception):
    """A call that can't be answered; one line."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


@dataclass(frozen=True, slots=True)
class Attachment:
    """An answer with descriptors, for as long as the connection stands."""

    response: dict[str, Any]
    descriptors: list[int]
    """Closed when they are sent."""
    on_end: Callable[[], None]
    """Called when the connection has ended."""


class _Answers(Protocol):
    def answer(self, request: dict[str, Any]) -> dict[str, Any] | Attachment: ...


class CallServer:
    """Listens on a Unix socket that only root and the engine's own user may use."""

    def __init__(
        self, path: Path, calls: _Answers, rest: Callable[[], None] = lambda: None
    ) -> None:
        self._calls = calls
        self._rest = rest
        self._rested = time.monotonic()
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[socket.socket, bytes] = {}
        self._on_end: dict[socket.socket, list[Callable[[], None]]] = {}
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_write.setblocking(False)
        self._asked = False
        self._ended = False
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o660)
        self._listener.listen(16)
        for each in (self._listener, self._wake_read):
            self._selector.register(each, selectors.EVENT_READ)

    def stop(self) -> None:
        """Ask `run` to return. Safe in a signal handler."""
        self._asked = True
        self._wake()

    def worker_ended(self) -> None:
        """A worker has returned. Any thread."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        try:
            self._wake_write.send(b"\0")
        except BlockingIOError:
            pass  # already awake

    def run(self) -> bool:
        """Answer calls; returns whether someone asked to stop (else a worker ended by itself)."""
        while not (self._asked or self._ended):
            if time.monotonic() - self._rested >= _REST_SEC:
                self._rest()
                self._rested = time.monotonic()
            for key, _ in self._selector.select(_REST_SEC):
                if key.fileobj is self._wake_read:
                    self._wake_read.recv(4096)
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._read(key.fileobj)
        for peer in list(self._buffers):
            self._close(peer)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        return self._asked

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid not in (0, os.geteuid()):
            peer.close()
            return
        peer.settimeout(_SEND_TIMEOUT_SEC)
        self._buffers[peer] = b""
        self._selector.register(peer, selectors.EVENT_READ)

    def _close(self, peer: socket.socket) -> None:
        self._selector.unregister(peer)
        del self._buffers[peer]
        peer.close()
        for on_end in self._on_end.pop(peer, []):
            on_end()

    def _read(self, peer: socket.socket) -> None:
        try:
            received = peer.recv(65536)
        except OSError:
            received = b""
        self._buffers[peer] += received
        if not received or len(self._buffers[peer]) > _REQUEST_BYTES_MAX:
            self._close(peer)
            return
        *lines, self._buffers[peer] = self._buffers[peer].split(b"\n")
        for line in lines:
            try:
                self._send(peer, self._answer(line))
            except OSError:
                self._close(peer)
                return

    def _send(self, peer: socket.socket, answer: dict[str, Any] | Attachment) -> None:
        if not isinstance(answer, Attachment):
            peer.sendall(json.dumps(answer).encode() + b"\n")
            return
        self._on_end.setdefault(peer, []).append(answer.on_end)
        line = json.dumps({"ok": True, **answer.response}).encode() + b"\n"
        try:
            socket.send_fds(peer, [line], answer.descriptors)
        finally:
            for descriptor in answer.descriptors:
                os.close(descriptor)

    def _answer(self, line: bytes) -> dict[str, Any] | Attachment:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("expected a JSON object")
        except ValueError as error:
            return {"ok": False, "error": f"request: {error}", "errno": 0}
        try:
            answer = self._calls.answer(request)
            return answer if isinstance(answer, Attachment) else {"ok": True, **answer}
        except CallError as error:
            return {"ok": False, "error": str(error), "errno": error.errno}
