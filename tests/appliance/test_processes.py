# SPDX-License-Identifier: Apache-2.0
"""The processes run, and can be reached only by who should."""

import ipaddress
import json

import pytest


@pytest.mark.parametrize("module", ["stellar.engine.process", "stellar.control.daemon"])
def test_process_runs_once(host, target, module):
    command_lines = host.check_output("ps -ww -e -o args=").splitlines()

    running = [line for line in command_lines if module in line and target["config"] in line]

    assert len(running) == 1, running


@pytest.mark.parametrize("name", ["engine.sock", "api.sock"])
def test_socket_is_there_and_closed_to_other_users(host, config, name):
    socket = host.file(f"{config['runtime_directory']}/{name}")

    assert socket.is_socket
    assert socket.mode & 0o007 == 0
    assert socket.user == "root"


def test_nothing_listens_but_on_the_loopback(host):
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()

    addresses = [line.split()[4].rpartition(":")[0].strip("[]").partition("%")[0] for line in lines]

    assert [each for each in addresses if not ipaddress.ip_address(each).is_loopback] == []


def test_data_interfaces_have_no_address(host, config):
    names = [each["device"].removeprefix("xdp:") for each in config["interfaces"]]

    links = json.loads(host.check_output("ip -json address show"))

    addresses = {link["ifname"]: link["addr_info"] for link in links}
    assert {name: addresses[name] for name in names} == {name: [] for name in names}


def test_metrics_are_served_on_the_loopback(host, config):
    metrics = config["metrics"]

    page = host.check_output(
        "curl --silent --fail http://%s:%s/metrics", metrics["address"], str(metrics["port"])
    )

    assert "\nstellar_" in page
