# SPDX-License-Identifier: Apache-2.0
"""A recorded appliance, and the replay of what it left: the same events, byte for byte."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

STELLAR = Path(sys.executable).parent / "stellar"
NO_WEB = """\
personality: firewall
on_reload: keep
zones:
  inside: {interfaces: [inside], networks: [192.0.2.10/32]}
  outside: {interfaces: [outside]}
rules: [{name: no-more, from: inside, to: outside, action: reject}]
default: drop
"""


def noted(version: str, fields: str = "") -> str:
    """A plugin in Lua that says which version of it has a packet, and the how many-th it is."""
    return f"""\
local stellar = require("stellar")
return {{
    name = "noted", version = "{version}", fail = "open", {fields}
    context = {{ packets = "uint32" }},
    on = {{ session_packet = function(session)
        session.context.packets = session.context.packets + 1
        session:log("info", "noted {version}: " .. session.context.packets)
    end }},
}}
"""


MIGRATE = "migrate = function(version, old) return { packets = old.packets + 1000 } end,"


@pytest.fixture(autouse=True)
def recordings(tmp_path: Path) -> Iterator[None]:
    """What a killed engine leaves in memory goes with the test."""
    yield
    for path in tmp_path.glob("recordings/run-*/*.segment"):
        if path.is_symlink():
            path.readlink().unlink(missing_ok=True)


def record(machines) -> Path:
    """Start the appliance, recording."""
    directory = machines.directory / "recordings"
    result = machines.stellar("run", "--daemon", "--record", directory)
    assert result.returncode == 0, result.stderr
    return directory


def replay(run: Path, machines, *words: str):
    """Replay a run; returns what it wrote and what it said."""
    events = machines.directory / "replay.json"
    command = [str(STELLAR), "replay", str(run), "--events", str(events), *words]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return result, events.read_bytes()


def stop(machines) -> None:
    pid = machines.supervisor_pid
    machines.kill(pid, signal.SIGTERM)
    machines.wait_for_end(pid)


def test_replay_writes_what_the_appliance_wrote(machines):
    directory = record(machines)
    client = machines.connect(80)
    machines.connect(81)
    client.say("before the swap")
    fresh = machines.directory / "no-web.yml"
    fresh.write_text(NO_WEB)
    applied = machines.stellar("policy", "apply", fresh)
    assert applied.returncode == 0, applied.stderr
    client.say("after the swap")
    assert machines.connect(80).greeting == "ConnectionRefusedError"
    recording = machines.call_engine("stats")["recording"]
    stop(machines)

    written = machines.events.read_bytes()
    assert recording["on"] and recording["lost"] == 0
    assert b'"rule":"no-more"' in written and b'"event_type":"flow"' in written
    for _ in range(3):
        result, replayed = replay(directory, machines, "--stats", "/dev/null")
        assert result.returncode == 0, result.stderr
        assert result.stderr.startswith("finished at ")
        assert replayed == written


def test_replay_goes_on_over_a_policy_swap_and_plugin_reloads(machines, compile_plugin):
    source = Path(__file__).with_name("counted.c")
    in_c = compile_plugin(source, machines.directory / "counted.so", '-DVERSION="c1"')
    in_lua = machines.directory / "noted.lua"
    in_lua.write_text(noted("lua1"))
    text = machines.config.read_text().replace("types: [flow, drop]", "types: [flow, drop, plugin]")
    machines.config.write_text(f"{text}plugins: [{in_c}, {in_lua}]\n")
    directory = record(machines)
    early = machines.connect(80)
    early.say("before")

    fresh = machines.directory / "no-web.yml"
    fresh.write_text(NO_WEB.replace("action: reject", "action: allow"))
    assert machines.stellar("policy", "apply", fresh).returncode == 0
    early.say("between")
    # In place: the file is mapped by nobody.
    second = compile_plugin(source, machines.directory / "second.so", '-DVERSION="c2"')
    in_c.write_bytes(second.read_bytes())
    in_lua.write_text(noted("lua2"))
    in_lua_answer = machines.stellar_json("plugin", "reload", "noted")
    in_c_answer = machines.stellar_json("plugin", "reload", "counted")
    early.say("between")
    late = machines.connect(80)
    late.say("between")
    third = compile_plugin(source, machines.directory / "third.so", '-DVERSION="c3"', "-DTAKES=1")
    result = machines.stellar("plugin", "reload", "counted", "--path", third)
    broken = machines.directory / "broken.lua"
    broken.write_text("return 1")
    refused = machines.stellar("plugin", "reload", "noted", "--path", broken)
    early.say("after")
    in_lua.write_text(noted("lua3", "migrate = true,"))
    machines.stellar_json("plugin", "reload", "noted")
    early.say("after")
    in_lua.write_text(noted("lua4", MIGRATE))
    machines.stellar_json("plugin", "reload", "noted")
    early.say("after")
    late.say("after")
    listed = {each["name"]: each for each in machines.stellar_json("plugin", "list")["plugins"]}
    recording = machines.call_engine("stats")["recording"]
    stop(machines)

    assert (in_lua_answer["version_before"], in_lua_answer["version"]) == ("lua1", "lua2")
    assert (in_c_answer["versions"], in_c_answer["old_contexts"]) == (2, 1)
    assert result.stdout.startswith("counted: version c3 is in force, after c2; ")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{broken}: expected a plugin that returns a table")
    assert {key: listed["counted"][key] for key in ("version", "reloads", "migrated")} == {
        "version": "c3",
        "reloads": 2,
        "migrated": 2,
    }
    assert recording["on"] and recording["lost"] == 0
    written = machines.events.read_bytes()
    said = [json.loads(line) for line in written.splitlines()]
    said = [each["plugin"]["text"] for each in said if each["event_type"] == "plugin"]
    assert listed["noted"]["migrated"] == 3 and listed["noted"]["errors"] == 0
    assert any(each.startswith("noted lua4: 10") for each in said)
    for version in ("c1", "c2", "c3", "lua1", "lua2", "lua3", "lua4"):
        assert any(f" {version}: " in each for each in said), version
    for _ in range(3):
        result, replayed = replay(directory, machines, "--stats", "/dev/null")
        assert result.returncode == 0, result.stderr
        assert result.stderr.startswith("finished at ")
        assert replayed == written


def test_version_that_was_not_kept_is_named(machines):
    in_lua = machines.directory / "noted.lua"
    in_lua.write_text(noted("lua1"))
    machines.config.write_text(f"{machines.config.read_text()}plugins: [{in_lua}]\n")
    directory = record(machines)
    machines.connect(80)
    machines.stellar_json("plugin", "reload", "noted")
    stop(machines)
    [kept] = directory.glob("run-*/plugin-*.json")
    kept.unlink()

    result, _ = replay(directory, machines)

    assert result.returncode == 1
    assert "expected the version of noted that came into force after packet " in result.stderr


def test_killed_engine_leaves_what_it_did(machines):
    directory = record(machines)
    machines.connect(80).say("before the kill")
    machines.connect(81)
    machines.wait_for_text(machines.events, '"event_type":"drop"')
    written = machines.events.read_bytes()

    machines.kill(machines.pids("engine")[0], signal.SIGKILL)
    machines.wait_for_text(machines.log, "engine=running", times=2)
    result, replayed = replay(directory / "run-000001", machines)

    assert result.returncode == 1
    assert result.stderr.startswith("cut at ")
    assert replayed == written
    assert (directory / "run-000002" / "manifest.json").exists()


def test_replay_stops_at_the_event_it_is_told(machines):
    directory = record(machines)
    machines.connect(81)
    machines.connect(81)
    stop(machines)

    result, replayed = replay(directory, machines, "--until", "event_type=drop,dest_port=81")

    lines = [json.loads(line) for line in replayed.splitlines()]
    assert result.returncode == 0
    assert result.stderr.startswith("stopped at ")
    assert [line["event_type"] for line in lines][-1:] == ["drop"]
    assert sum(line["event_type"] == "drop" and line["dest_port"] == 81 for line in lines) == 1
