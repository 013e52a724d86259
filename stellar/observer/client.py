# SPDX-License-Identifier: Apache-2.0
"""Attaches an observer to a running engine, over the engine's socket."""

import json
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from stellar.observer.ring import Ring

__all__ = ["CAPACITY", "EVENTS", "Attachment", "ObserverError", "ask", "attach", "batches"]

EVENTS = ("session_closing",)
CAPACITY = 65536
_WORKERS_MAX = 64
_ANSWER_BYTES_MAX = 65536
_POLL_SEC = (0.0002, 0.02)  # while something comes, and at most


class ObserverError(Exception):
    """The engine can't be reached or will not; one line."""


class Attachment:
    """Rings of one engine, as long as the connection to it stands. Iterate it for batches."""

    def __init__(self, peer: socket.socket, rings: Sequence[Ring]) -> None:
        self._peer = peer
        self._rings = rings

    def __iter__(self) -> Iterator[np.recarray]:
        return batches(self._rings, self._peer)

    @property
    def lost(self) -> int:
        """Events that found no room."""
        return sum(ring.lost for ring in self._rings)

    def close(self) -> None:
        """End it; the engine lets go of the rings."""
        self._peer.close()


def attach(
    path: str | Path, events: Iterable[str] = EVENTS, *, capacity: int = CAPACITY
) -> Attachment:
    """Attach to a running engine by its socket; raises ObserverError."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.connect(str(path))
        return ask(peer, events, capacity=capacity)
    except OSError as error:
        peer.close()
        raise ObserverError(f"{path}: expected a running engine: {error.strerror}") from error
    except ObserverError as error:
        peer.close()
        raise ObserverError(f"{path}: {error}") from error


def ask(peer: socket.socket, events: Iterable[str], *, capacity: int) -> Attachment:
    """Ask whoever is at the other end for rings; raises ObserverError."""
    request = {"call": "observe", "events": list(events), "capacity": capacity}
    peer.sendall(json.dumps(request).encode() + b"\n")
    answer, descriptors, _, _ = socket.recv_fds(peer, _ANSWER_BYTES_MAX, _WORKERS_MAX)
    try:
        response = json.loads(answer)
        rings = [Ring(descriptor) for descriptor in descriptors]
    except ValueError as error:
        raise ObserverError(f"expected rings of this version: {error}") from error
    if not response.get("ok"):
        raise ObserverError(str(response.get("error")))
    peer.setblocking(False)
    return Attachment(peer, rings)


def batches(rings: Sequence[Ring], peer: socket.socket | None = None) -> Iterator[np.recarray]:
    """What comes, ring by ring, until all have ended or the peer is gone."""
    wait_sec = _POLL_SEC[0]
    while True:
        is_over = all(ring.has_ended for ring in rings) or _is_gone(peer)
        is_quiet = True
        for ring in rings:
            records = ring.read()
            if len(records) > 0:
                is_quiet = False
                yield records
        if is_over and is_quiet:
            return
        wait_sec = min(2 * wait_sec, _POLL_SEC[1]) if is_quiet else _POLL_SEC[0]
        if is_quiet:
            time.sleep(wait_sec)


def _is_gone(peer: socket.socket | None) -> bool:
    if peer is None:
        return False
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
