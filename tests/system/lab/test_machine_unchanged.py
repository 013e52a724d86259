# SPDX-License-Identifier: Apache-2.0
"""Undeploying leaves the machine as it was after crashes; test_lab compares the plain case."""

import os
import signal

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_machine_is_as_before_after_crashes(undeployed_lab, look_at_machine):
    lab = undeployed_lab
    before = look_at_machine()
    lab.interrupt_deploy()

    lab.run_verb("deploy")
    os.kill(lab.find_process(f"run --config {lab.config}"), signal.SIGKILL)
    lab.run_verb("undeploy")

    assert look_at_machine() == before


def test_undeploy_where_nothing_is_deployed_changes_nothing(undeployed_lab):
    recap = undeployed_lab.run_verb("undeploy").rpartition("PLAY RECAP")[2]

    assert "changed=0" in recap


def test_verify_where_nothing_is_deployed_says_so(undeployed_lab):
    result = undeployed_lab.try_verb("verify")

    assert result.returncode != 0
    assert "the lab is not deployed: run `make deploy` first" in result.stdout
