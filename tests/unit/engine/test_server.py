# SPDX-License-Identifier: Apache-2.0
"""The engine's socket: whole lines, one after another, and peers that misbehave."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stellar.engine.server import CallError, CallServer


class Echo:
    """Answers with what it was asked; refuses `refuse`."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("call") == "refuse":
            raise CallError("no such thing", 2)
        return {"asked": request}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """A server on a thread; gives the path of its socket."""
    path = tmp_path / "engine.sock"
    running = CallServer(path, Echo())
    thread = threading.Thread(target=running.run)
    thread.start()
    yield path
    running.stop()
    thread.join()


def connect(path: Path) -> socket.socket:
    """A new connection with a deadline."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10)
    peer.connect(str(path))
    return peer


def ask(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Send lines in one piece and read as many answers."""
    with connect(path) as peer:
        peer.sendall(b"".join(line + b"\n" for line in lines))
        with peer.makefile("rb") as answers:
            return [json.loads(answers.readline()) for _ in lines]


def test_requests_are_answered_in_order(server: Path) -> None:
    answers = ask(server, b'{"call": "a"}', b'{"call": "b"}')

    assert [answer["asked"]["call"] for answer in answers] == ["a", "b"]
    assert all(answer["ok"] for answer in answers)


def test_refusal_says_why(server: Path) -> None:
    (answer,) = ask(server, b'{"call": "refuse"}')

    assert answer == {"ok": False, "error": "no such thing", "errno": 2}


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b'"text"', b"\xff\xfe"])
def test_what_is_no_json_object_is_refused(server: Path, line: bytes) -> None:
    (answer,) = ask(server, line)

    assert not answer["ok"]
    assert answer["error"].startswith("request: ")


def test_peer_that_never_ends_its_line_loses_only_itself(server: Path) -> None:
    with connect(server) as silent, connect(server) as endless:
        silent.sendall(b'{"call": ')
        try:
            for _ in range(40):
                endless.sendall(b"x" * 65536)
            assert endless.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed while we were still sending

        (answer,) = ask(server, b'{"call": "a"}')

    assert answer["ok"]


def test_socket_is_for_its_owner_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    running = CallServer(path, Echo())
    mode = path.stat().st_mode & 0o777

    running.stop()
    asked = running.run()

    assert asked
    assert mode == 0o660
    assert not path.exists()


def test_worker_that_ends_by_itself_is_not_asked_for(tmp_path: Path) -> None:
    running = CallServer(tmp_path / "engine.sock", Echo())

    running.worker_ended()

    assert not running.run()


def test_server_rests_when_nobody_asks_and_when_somebody_always_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stellar.engine.server._REST_SEC", 0.01)
    rests = threading.Semaphore(0)
    path = tmp_path / "engine.sock"
    running = CallServer(path, Echo(), rests.release)
    thread = threading.Thread(target=running.run)
    thread.start()

    assert all(rests.acquire(timeout=10) for _ in range(3))
    for _ in range(3):
        deadline = time.monotonic() + 10
        while not rests.acquire(blocking=False):
            assert time.monotonic() < deadline
            ask(path, b'{"call": "a"}')
    running.stop()
    thread.join()
