# SPDX-License-Identifier: Apache-2.0
"""Scenarios run through the engine: what comes of them is what they describe."""

from pathlib import Path

import pytest

from stellar.engine import Engine
from stellar.engine.plugins import add_plugin, plugin_memory
from stellar.engine.replay import ReplayOptions, run
from stellar.engine.scenario import ScenarioRun, run_scenario
from stellar.lua.plugin import MEMORY_BYTES
from stellar.scenario import PluginChoice, ScenarioError, compare, parse_pcap, parse_scenario

GREETER = """\
return {
    name = "greeter",
    version = "1",
    on = {
        session_opening = function(session)
            session:log("info", "hello port " .. session:responder():port())
        end,
    },
}
"""
CONVERSATION = """\
packets:
  - open: tcp client > server:80
  - client: hello
  - server: hi
  - close
  - wait_ms: 3000
  - pulse
run: {plugins: [greeter.lua]}
expect:
  log: ["greeter: hello port 80"]
  events: [{event_type: flow, flow.reason: fin}]
  stats: {packets.forwarded: 9}
  written: 9
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "greeter.lua").write_text(GREETER)
    return tmp_path


@pytest.mark.parametrize("burst_size", [1, 64])
@pytest.mark.parametrize("workers", [1, 2])
def test_scenario_holds(folder: Path, burst_size: int, workers: int) -> None:
    scenario = parse_scenario(CONVERSATION, str(folder / "hello.yml"))

    outcome = run_scenario(
        scenario, folder / "run", ScenarioRun(burst_size=burst_size, workers=workers)
    )

    assert compare(scenario, outcome) == []


def test_scenario_that_does_not_hold_is_told(folder: Path) -> None:
    text = CONVERSATION.replace("port 80", "port 81").replace("written: 9", "written: 8")
    scenario = parse_scenario(text, str(folder / "hello.yml"))

    differences = compare(scenario, run_scenario(scenario, folder / "run"))

    assert [difference.subject for difference in differences] == ["log", "frames written"]


def test_caller_may_choose_other_plugins(folder: Path) -> None:
    scenario = parse_scenario(CONVERSATION, str(folder / "hello.yml"))
    (folder / "other.lua").write_text(GREETER.replace('"greeter"', '"other"'))

    how = ScenarioRun(plugins=[PluginChoice("other.lua")])
    outcome = run_scenario(scenario, folder / "run", how)

    assert [plugin["name"] for plugin in outcome.stats["plugins"]] == ["other"]


def test_failure_of_a_plugin_is_a_problem(folder: Path) -> None:
    (folder / "greeter.lua").write_text(GREETER.replace("session:log(", "session:shout("))
    scenario = parse_scenario(CONVERSATION, str(folder / "hello.yml"))

    outcome = run_scenario(scenario, folder / "run")

    assert any("shout" in problem for problem in outcome.problems)


def test_hosts_at_two_interfaces_are_two_captures_in_order_of_time(folder: Path) -> None:
    text = (
        f"hosts: {{server: {{interface: outside}}, client: {{interface: inside}}}}\n{CONVERSATION}"
    )
    scenario = parse_scenario(text, str(folder / "hello.yml"))

    outcome = run_scenario(scenario, folder / "run")

    assert compare(scenario, outcome) == []
    left = [
        len(parse_pcap((folder / "run" / "written" / f"{name}.pcap").read_bytes()))
        for name in ("inside", "outside")
    ]
    assert left == [6, 3]


def test_engine_options_are_checked(folder: Path) -> None:
    text = "packets: []\nrun: {engine: {midstream: 3, limits: {no_such: 1}}}"

    with pytest.raises(ScenarioError) as caught:
        run_scenario(parse_scenario(text, "x.yml"), folder / "run")

    assert len(caught.value.problems) == 2


def test_verdicts_bite_unless_told_otherwise(folder: Path) -> None:
    (folder / "greeter.lua").write_text(GREETER.replace('session:log("info"', "session:block() --"))
    scenario = parse_scenario(CONVERSATION, str(folder / "hello.yml"))
    listening = parse_scenario(
        CONVERSATION.replace("run: {", "run: {inline: false, "), str(folder / "hello.yml")
    )

    assert len(run_scenario(scenario, folder / "run").written) == 1
    assert len(run_scenario(listening, folder / "tap").written) == 9


def test_time_of_calls_is_told_for_plugins_that_are_called_often(folder: Path) -> None:
    text = (
        "packets: [session: udp client > server:53, {client: hi, times: 200}]\n"
        "run: {plugins: [packets.lua]}"
    )
    (folder / "packets.lua").write_text(
        'return { name = "packets", version = "1", on = { session_packet = function() end } }'
    )
    scenario = parse_scenario(text, str(folder / "x.yml"))
    run_scenario(scenario, folder / "run")

    result = run(
        ReplayOptions(
            captures=[folder / "run" / "capture.in.pcap"], plugins=[folder / "packets.lua"]
        )
    )

    assert 0 < result.stats["nanoseconds_per_call"]["packets"] < 1_000_000
    assert set(result.stats["plugins"][0]) == {
        "name", "version", "calls", "errors", "contexts", "detached", "takeovers", "timers",
        "timers_refused", "reloads", "versions", "old_contexts", "migrated", "enabled", "counters",
    }  # fmt: skip


def test_memory_of_a_lua_plugin_is_that_of_its_states(folder: Path) -> None:
    engine = Engine(workers=2)
    add_plugin(engine, folder / "greeter.lua", workers=2)

    memory = plugin_memory(engine)

    engine.close()
    assert 10_000 < memory["greeter"] < MEMORY_BYTES
