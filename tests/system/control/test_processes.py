# SPDX-License-Identifier: Apache-2.0
"""Traffic while the appliance's processes are killed, stopped, told to reload and to end."""

import json
import signal

import pytest

pytestmark = pytest.mark.root


def test_allowed_session_passes_and_is_explained(appliance):
    client = appliance.connect(80)

    sessions = appliance.stellar_json("session", "list", "--port", 80)["sessions"]
    shown = appliance.stellar_json("session", "show", sessions[0]["id"])

    assert client.greeting == "hello"
    assert len(sessions) == 1
    assert shown["verdict"] == "allowed by rule 1 (allow-web) of policy generation 1"
    assert (shown["state"], shown["tcp_state"]) == ("active", "established")


def test_rejected_session_is_refused_and_counted(appliance):
    client = appliance.connect(81)

    dropped = appliance.stellar_json("stats")["packets"]["dropped"]

    assert client.greeting == "ConnectionRefusedError"
    assert dropped["policy_rule"] == 1


def test_session_survives_a_killed_engine_without_control(appliance):
    client = appliance.connect(80)
    appliance.kill(appliance.pids("control")[0], signal.SIGSTOP)

    appliance.kill(appliance.pids("engine")[0], signal.SIGKILL)
    echoed = client.say("after the kill")
    refused = appliance.connect(81)

    assert echoed == "after the kill"
    assert refused.greeting == "ConnectionRefusedError"
    assert appliance.call_engine("ping")["generation"] == 1
    assert len(appliance.pids("engine")) == 2


def test_sessions_of_a_killed_engine_are_found_again(appliance):
    client = appliance.connect(80)
    refused = appliance.connect(81)
    client.say("before the kill")
    before = appliance.stellar_json("session", "list", "--port", 80)["sessions"][0]

    appliance.kill(appliance.pids("engine")[0], signal.SIGKILL)
    appliance.wait_for_text(appliance.log, "engine=running", times=2)
    echoed = client.say("after the kill")
    after = appliance.stellar_json("session", "list", "--port", 80)["sessions"][0]
    stats = appliance.call_engine("stats")

    assert refused.greeting == "ConnectionRefusedError"
    assert echoed == "after the kill"
    assert {key: after[key] for key in ("id", "start_ns", "generation", "rule_id")} == {
        key: before[key] for key in ("id", "start_ns", "generation", "rule_id")
    }
    assert (after["state"], after["tcp_state"]) == ("active", "established")
    assert after["packets"]["forward"] > before["packets"]["forward"]
    assert stats["sessions"]["resumed"] >= 1
    assert stats["sessions"]["created"] == 0
    assert stats["packets"]["dropped"]["tcp_invalid"] == 0
    assert stats["imbalance"] == 0


def test_stopped_appliance_leaves_no_sessions_behind(appliance):
    appliance.connect(80)
    pid = appliance.supervisor_pid
    assert (appliance.sessions / "sessions-0").exists()

    appliance.kill(pid, signal.SIGTERM)
    appliance.wait_for_end(pid)

    assert not appliance.sessions.exists()


def test_stopped_control_changes_nothing_for_traffic(appliance):
    client = appliance.connect(80)

    appliance.kill(appliance.pids("control")[0], signal.SIGSTOP)

    assert client.say("old session") == "old session"
    assert appliance.connect(80).greeting == "hello"
    assert appliance.connect(81).greeting == "ConnectionRefusedError"


def test_killed_control_comes_back_and_the_engine_stays(appliance):
    client = appliance.connect(80)
    pid = appliance.pids("control")[0]

    appliance.kill(pid, signal.SIGKILL)
    appliance.wait_for_end(pid)

    assert client.say("meanwhile") == "meanwhile"
    appliance.wait_for_text(appliance.log, "event=listening", times=2)
    assert appliance.stellar_json("policy", "show")["text"] == appliance.policy.read_text()
    assert appliance.call_engine("stats")["sessions"]["active"] == 1
    assert len(appliance.pids("engine")) == 1


def test_new_policy_judges_new_sessions_and_keeps_the_old(appliance):
    client = appliance.connect(80)
    other = appliance.directory / "other.yml"
    other.write_text(appliance.policy.read_text().replace("ports: [80]", "ports: [81]"))

    applied = appliance.stellar("policy", "apply", other)

    assert applied.returncode == 0, applied.stderr
    assert client.say("kept") == "kept"
    assert appliance.connect(81).greeting == "hello"
    assert appliance.connect(80).greeting == "ConnectionRefusedError"


def test_rejected_policy_leaves_the_running_one(appliance):
    other = appliance.directory / "other.yml"
    other.write_text(appliance.policy.read_text().replace("to: outside", "to: cellar"))

    applied = appliance.stellar("policy", "apply", other)

    assert applied.returncode == 3
    assert f"{other}:" in applied.stderr and "cellar" in applied.stderr
    assert appliance.stellar_json("policy", "show")["generation"] == 1
    assert appliance.connect(80).greeting == "hello"


def test_packets_are_conserved_across_all_of_it(appliance):
    appliance.connect(80).say("one")
    appliance.connect(81)

    stats = appliance.call_engine("stats")

    packets = stats["packets"]
    left = packets["forwarded"] + packets["local"] + packets["held"]
    assert packets["received"] + packets["generated"] == left + sum(packets["dropped"].values())
    assert packets["received"] > 0
    assert stats["imbalance"] == 0


def test_rotated_event_file_is_opened_anew(appliance):
    rotated = appliance.events.with_suffix(".1")
    appliance.events.rename(rotated)

    appliance.kill(appliance.supervisor_pid, signal.SIGHUP)
    appliance.wait_for_text(appliance.log, "event=events_reopened")
    appliance.connect(81)
    appliance.wait_for_text(appliance.events, '"event_type":"drop"')

    assert rotated.read_text() == ""


def test_end_is_orderly_and_writes_the_open_sessions(appliance):
    appliance.connect(80)
    pid = appliance.supervisor_pid

    appliance.kill(pid, signal.SIGTERM)
    appliance.wait_for_end(pid)

    assert list((appliance.directory / "run").iterdir()) == []
    log = appliance.log.read_text()
    assert log.index("event=stopped child=control") < log.index("event=stopped child=engine")
    events = [json.loads(line) for line in appliance.events.read_text().splitlines()]
    assert [event["flow"]["reason"] for event in events if event["event_type"] == "flow"] == [
        "shutdown"
    ]


def test_second_run_is_refused(appliance):
    second = appliance.stellar("run", "--daemon")

    assert second.returncode == 1
    assert f"already running, process {appliance.supervisor_pid}" in second.stderr
    assert appliance.connect(80).greeting == "hello"
