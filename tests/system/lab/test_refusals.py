# SPDX-License-Identifier: Apache-2.0
"""A deployment that must not be: refused in words, before anything is changed."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def deploy(inventory, personality="firewall"):
    return subprocess.run(
        [ROOT / ".ci" / "appliance", "deploy", inventory, personality],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def inventory(tmp_path):
    """An inventory of one machine, with or without the word that it may be changed."""

    def write(is_target):
        word = "true" if is_target else "false"
        host = f"{{ansible_connection: local, stellar_deploy_target: {word}}}"
        path = tmp_path / "hosts.yml"
        path.write_text(
            "all:\n  children:\n    lab_machine: {}\n    stellar_appliance:\n"
            f"      hosts:\n        somebody.example.net: {host}\n"
        )
        return path

    return write


def test_machine_that_was_not_named_on_purpose_is_refused(inventory):
    result = deploy(inventory(is_target=False))

    assert result.returncode != 0
    assert "somebody.example.net is no deployment target" in result.stdout
    assert "changed=0" in result.stdout


@pytest.mark.parametrize("personality", ["ids", "load_balancer"])
def test_personality_of_a_later_version_is_refused(inventory, personality):
    result = deploy(inventory(is_target=True), personality)

    assert result.returncode != 0
    assert f"found {personality}, which is not in it yet" in " ".join(result.stdout.split())


@pytest.mark.parametrize("name", ["example", "production"])
def test_template_inventory_is_refused_as_it_is(name):
    result = deploy(f"inventories/{name}")

    assert result.returncode != 0
    assert "is no deployment target" in result.stdout


def test_inventory_that_is_not_there_is_refused():
    result = deploy("inventories/nowhere")

    assert result.returncode == 2
    assert "inventories/nowhere" in result.stderr
