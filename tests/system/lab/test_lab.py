# SPDX-License-Identifier: Apache-2.0
"""The deployed lab: it stays as it is, verifies itself, and survives what it should."""

import os
import re
import signal

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]

ALLOWED, DROPPED = 80, 8081
ANSWERED, NO_ANSWER = 0, 28
ENGINE, CONTROL = "stellar.engine.process", "stellar.control.daemon"
LONG_PAGE_BYTES = 42 * 25600


@pytest.fixture
def stop(lab):
    """Stop a process of the lab until the test ends."""
    stopped = []

    def stop_process(part):
        process = lab.find_process(part)
        os.kill(process, signal.SIGSTOP)
        stopped.append(process)
        return process

    yield stop_process
    for process in stopped:
        if os.path.exists(f"/proc/{process}"):
            os.kill(process, signal.SIGCONT)


@pytest.fixture
def policy_restored(lab):
    """Put the deployed policy in force again after the test."""
    yield
    assert lab.call("policy", "apply", str(lab.policy)).returncode == 0


@pytest.fixture
def open_policy(lab, tmp_path):
    """The deployed policy, but for a default that lets the dropped port through."""
    path = tmp_path / "policy.yml"
    path.write_text(re.sub(r"(?m)^default: .*$", "default: allow", lab.policy.read_text()))
    return str(path)


def test_second_deploy_changes_nothing(lab):
    recap = lab.run_verb("deploy").rpartition("PLAY RECAP")[2]

    assert re.findall(r"changed=(\d+)", recap) == ["0", "0"]


def test_deploy_shows_an_allowed_and_a_refused_request(lab):
    assert "Hello from the server of the Stellar lab." in lab.deploy_output
    assert "curl: (7) Failed to connect to 192.0.2.20 port 23" in lab.deploy_output


def test_lab_verifies_itself(lab):
    assert " passed" in lab.run_verb("verify")


def test_traffic_crosses_again_after_the_engine_is_killed(lab, wait_until):
    killed = lab.find_process(ENGINE)

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: lab.find_process(ENGINE) not in (None, killed), "a new engine")
    wait_until(lambda: lab.fetch(ALLOWED, 0.2) == ANSWERED, "an answer")
    assert lab.fetch(DROPPED) == NO_ANSWER


def test_wire_is_closed_while_there_is_no_engine(lab, stop, wait_until):
    supervisor = stop(f"run --config {lab.config}")

    os.kill(lab.find_process(ENGINE), signal.SIGKILL)

    assert lab.fetch(ALLOWED) == NO_ANSWER
    os.kill(supervisor, signal.SIGCONT)
    wait_until(lambda: lab.fetch(ALLOWED, 0.2) == ANSWERED, "an answer")


def test_traffic_does_not_notice_a_stopped_control_daemon(lab, stop):
    stop(CONTROL)

    assert lab.fetch(ALLOWED) == ANSWERED
    assert lab.fetch(DROPPED) == NO_ANSWER


def test_traffic_does_not_notice_a_killed_control_daemon(lab, wait_until):
    download = lab.start_download()

    os.kill(lab.find_process(CONTROL), signal.SIGKILL)

    assert int(download.communicate()[0]) == LONG_PAGE_BYTES
    wait_until(lambda: lab.call("stats").returncode == 0, "the control daemon")


def test_engine_killed_without_control_keeps_its_policy(lab, stop, wait_until):
    generation = lab.read("policy", "show")["generation"]
    control = stop(CONTROL)
    killed = lab.find_process(ENGINE)

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: lab.find_process(ENGINE) not in (None, killed), "a new engine")
    wait_until(lambda: lab.fetch(ALLOWED, 0.2) == ANSWERED, "an answer")
    assert lab.fetch(DROPPED) == NO_ANSWER
    os.kill(control, signal.SIGCONT)
    assert lab.read("policy", "show")["generation"] == generation


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        pytest.param("surprise: 1\n", "surprise", id="unknown key"),
        pytest.param("default: drop\n", "default", id="duplicate key"),
        pytest.param("{", "policy.yml:", id="no YAML"),
    ],
)
def test_wrong_policy_is_rejected_and_the_old_one_kept(lab, tmp_path, wrong, found):
    before = lab.read("policy", "show")
    path = tmp_path / "policy.yml"
    path.write_text(lab.policy.read_text() + wrong)

    result = lab.call("policy", "apply", str(path))

    assert result.returncode == 3
    assert found in result.stderr
    assert lab.read("policy", "show") == before
    assert lab.fetch(ALLOWED) == ANSWERED


def test_deploy_of_a_wrong_policy_changes_nothing(lab):
    before = lab.read("policy", "show")

    result = lab.try_verb("deploy", "-e", '{"firewall_allowed_services": ["wbe"]}')

    assert result.returncode != 0
    assert 'found "wbe" (did you mean "web"?)' in result.stdout
    assert lab.read("policy", "show") == before
    assert lab.policy.read_text() == before["text"]


def test_policy_changes_under_traffic_without_loss_of_a_session(
    lab, open_policy, policy_restored, wait_until
):
    assert lab.fetch(DROPPED) == NO_ANSWER
    download = lab.start_download()
    wait_until(lambda: lab.read("session", "list", "--port", "80")["sessions"], "the download")

    applied = lab.call("policy", "apply", open_policy)

    assert applied.returncode == 0, applied.stderr
    assert lab.fetch(DROPPED) == ANSWERED
    assert int(download.communicate()[0]) == LONG_PAGE_BYTES
