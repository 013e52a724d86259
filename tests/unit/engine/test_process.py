# SPDX-License-Identifier: Apache-2.0
"""The engine process: starts, answers, keeps its policy, stops; and says in a line why it can't."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stellar.personality.pipeline import check_policy, compile_policy, open_policy

DEADLINE_SEC = 20
POLICY = """\
personality: firewall
zones: {inside: {interfaces: [a]}, outside: {interfaces: [b]}}
rules: [{name: all, action: allow}]
default: drop
"""

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A wire between two memory devices: no root, no network."""
    path = tmp_path / "stellar.yml"
    document = {
        "personality": "firewall",
        "policy": str(tmp_path / "policy.yml"),
        "runtime_directory": str(tmp_path / "run"),
        "state_directory": str(tmp_path / "state"),
        "engine": {"session": {"capacity": 64}},
        "interfaces": [
            {"name": "a", "device": "memory:a"},
            {"name": "b", "device": "memory:b"},
        ],
        "wires": [{"between": ["a", "b"]}],
        "events": {"path": str(tmp_path / "eve.json"), "types": ["flow", "drop"]},
    }
    path.write_text(yaml.safe_dump(document))
    (tmp_path / "policy.yml").write_text(POLICY)
    return path


@pytest.fixture
def start(config: Path) -> Iterator[Start]:
    """Starts the process; it is stopped at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def run() -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", "stellar.engine.process", "--config", str(config)]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def call(config: Path, name: str, **arguments: Any) -> dict[str, Any]:
    """Ask the process, waiting for its socket to be there."""
    path = config.parent / "run" / "engine.sock"
    deadline = time.monotonic() + DEADLINE_SEC
    while True:
        with socket.socket(socket.AF_UNIX) as peer:
            try:
                peer.connect(str(path))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                continue
            peer.sendall(json.dumps({"call": name, **arguments}).encode() + b"\n")
            with peer.makefile() as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
                return answer


def image(config: Path, generation: int) -> Path:
    """The compiled policy of the test, in a file."""
    source = open_policy(config.parent / "policy.yml")
    policy = check_policy(source, interfaces=["a", "b"]).policy
    path = config.parent / f"policy-{generation}.bin"
    path.write_bytes(compile_policy(policy, generation=generation))
    return path


def test_asked_to_stop_it_ends_well(config: Path, start: Start) -> None:
    process = start()
    assert call(config, "ping")["generation"] == 0

    process.send_signal(signal.SIGTERM)

    assert process.wait(DEADLINE_SEC) == 0
    assert not (config.parent / "run" / "engine.sock").exists()


def test_policy_in_force_is_taken_up_by_the_next_process(config: Path, start: Start) -> None:
    first = start()
    answer = call(config, "policy_apply", path=str(image(config, 3)))
    assert answer == {"ok": True, "generation": 3}
    first.kill()
    first.wait()

    start()

    assert call(config, "ping")["generation"] == 3


@pytest.fixture
def sessions(config: Path) -> Iterator[Path]:
    """A directory where sessions outlive a killed process."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = Path(directory) / "sessions"
        text = config.read_text() + f"session_directories: [/proc/absent, {path}]\n"
        config.write_text(text)
        yield path


def test_killed_process_leaves_its_sessions_to_the_next(
    config: Path, start: Start, sessions: Path
) -> None:
    first = start()
    call(config, "ping")
    first.kill()
    _, errors = first.communicate(timeout=DEADLINE_SEC)
    assert f"sessions begin in {sessions}" in errors

    second = start()

    assert call(config, "stats")["sessions"]["resumed"] == 0
    second.send_signal(signal.SIGTERM)
    _, errors = second.communicate(timeout=DEADLINE_SEC)
    assert f"0 sessions go on from {sessions}" in errors
    assert not sessions.exists()


def test_refused_policy_leaves_the_one_in_force(config: Path, start: Start) -> None:
    start()
    call(config, "policy_apply", path=str(image(config, 3)))
    kept = (config.parent / "state" / "policy.bin").read_bytes()

    older = call(config, "policy_apply", path=str(image(config, 2)))
    absent = call(config, "policy_apply", path="/nonexistent")

    assert older["error"] == "policy generation: expected above 3, found 2"
    assert absent["error"] == "/nonexistent: No such file or directory"
    assert call(config, "ping")["generation"] == 3
    assert (config.parent / "state" / "policy.bin").read_bytes() == kept


def test_damaged_image_is_left_to_control(config: Path, start: Start) -> None:
    (config.parent / "state").mkdir()
    (config.parent / "state" / "policy.bin").write_bytes(b"damaged")

    process = start()

    assert call(config, "ping")["generation"] == 0
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=DEADLINE_SEC)
    assert "policy=refused" in errors


def test_stats_sessions_and_interfaces_are_answered(config: Path, start: Start) -> None:
    start()

    stats = call(config, "stats")
    assert stats["packets"]["received"] == 0
    assert stats["imbalance"] == 0
    assert [plugin["name"] for plugin in stats["plugins"]] == ["firewall"]
    [firewall] = call(config, "plugins")["plugins"]
    assert (firewall["calls"], firewall["nanoseconds_per_call"]) == (0, None)
    assert firewall["memory_bytes"] == 0
    assert call(config, "sessions")["sessions"] == []
    assert call(config, "sessions")["cursor"] is None
    assert "expected one that a page gave" in call(config, "sessions", cursor="x")["error"]
    devices = [each["device"] for each in call(config, "interfaces")["interfaces"]]
    assert devices == ["memory:a", "memory:b"]
    assert "expected one of ping" in call(config, "nonsense")["error"]


def test_absent_interface_is_one_line_and_exit_1(config: Path, start: Start) -> None:
    config.write_text(config.read_text().replace("memory:a", "xdp:not-there0"))

    process = start()

    _, errors = process.communicate(timeout=DEADLINE_SEC)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "not-there0" in errors


def test_wrong_configuration_is_exit_2(config: Path, start: Start) -> None:
    config.write_text(config.read_text() + "nonsense: 1\n")

    process = start()

    _, errors = process.communicate(timeout=DEADLINE_SEC)
    assert process.returncode == 2
    assert "nonsense" in errors


def test_policy_that_cannot_be_kept_is_said(config: Path, start: Start) -> None:
    start()
    call(config, "ping")
    shutil.rmtree(config.parent / "state")

    answer = call(config, "policy_apply", path=str(image(config, 1)))

    assert "generation 1 is in force, but will not outlive the engine" in answer["error"]


def test_rotation_without_a_writer_is_harmless(config: Path, start: Start) -> None:
    process = start()
    call(config, "ping")

    process.send_signal(signal.SIGHUP)

    assert call(config, "ping")["ok"]
