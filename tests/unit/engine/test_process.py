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


def call(config: Path, name: str, /, **arguments: Any) -> dict[str, Any]:
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


LUA = """\
return {{
    name = "noted", version = "{version}",
    config = {{ text = {{ type = "string", required = true }} }},
    context = {{ packets = "uint32" }}, on = {{ session_packet = function() end }},
}}
"""


def add_plugin(config: Path) -> Path:
    """A Lua plugin with a setting in the configuration; returns its file."""
    plugin = config.parent / "noted.lua"
    plugin.write_text(LUA.format(version="1"))
    document = yaml.safe_load(config.read_text())
    document["plugins"] = [{"path": str(plugin), "settings": {"text": "hello"}}]
    config.write_text(yaml.safe_dump(document))
    return plugin


def plugin_names(config: Path) -> dict[str, tuple[str, int, int]]:
    return {
        each["name"]: (each["version"], each["reloads"], each["versions"])
        for each in call(config, "plugins")["plugins"]
    }


def test_plugins_of_both_kinds_are_reloaded_while_workers_run(config: Path, start: Start) -> None:
    plugin = add_plugin(config)
    start()
    memory = {each["name"]: each["memory_bytes"] for each in call(config, "plugins")["plugins"]}
    plugin.write_text(LUA.format(version="2"))

    answers = [call(config, "plugin_reload", name=name) for name in ("noted", "firewall", "noted")]

    assert all(answer["ok"] for answer in answers), answers
    assert (answers[0]["version_before"], answers[0]["version"]) == ("1", "2")
    names = plugin_names(config)
    assert (names["noted"], names["firewall"][1:]) == (("2", 2, 1), (1, 1))
    # No version without a context is left, nor are its states.
    for each in call(config, "plugins")["plugins"]:
        assert each["memory_bytes"] < 2 * memory[each["name"]] or memory[each["name"]] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return 1", "expected a plugin that returns a table"),
        (LUA.format(version="2").replace("noted", "other"), "expected another version of noted"),
        (LUA.format(version="2").replace('"string"', '"integer"'), "text: expected"),
    ],
)
def test_refused_version_leaves_the_one_in_force(
    config: Path, start: Start, text: str, expected: str
) -> None:
    plugin = add_plugin(config)
    start()
    call(config, "ping")
    plugin.write_text(text)

    answer = call(config, "plugin_reload", name="noted")

    assert not answer["ok"]
    assert answer["error"].startswith(f"{plugin}:") and expected in answer["error"]
    assert plugin_names(config)["noted"] == ("1", 0, 1)


def test_reload_names_what_it_does_not_find(config: Path, start: Start, tmp_path: Path) -> None:
    add_plugin(config)
    start()
    call(config, "ping")

    def error(**arguments: Any) -> str:
        return str(call(config, "plugin_reload", **arguments)["error"])

    assert error(name="none") == "plugin: expected one of firewall, noted, found none"
    assert error(name="noted", path=str(tmp_path / "none.lua")).endswith("found no such file")
    assert error(name="firewall", path=str(tmp_path / "noted.lua")).endswith(
        "expected a file ending in .so, as before"
    )
    assert error(name=1) == "plugin_reload: expected a name, and a path or none"
