# SPDX-License-Identifier: Apache-2.0
"""What a configuration needs of this machine is said before anything starts."""

import pytest

from stellar.control import machine
from stellar.control.machine import NotOnThisMachine, check_machine
from stellar.engine.config import ConfigError, load_config

TEXT = """\
personality: firewall
policy: /etc/stellar/policy.yml
interfaces:
  - {name: inside, device: "DEVICE"}
"""


def check(tmp_path, device):
    path = tmp_path / "stellar.yml"
    path.write_text(TEXT.replace("DEVICE", device))
    check_machine(load_config(path), path)


@pytest.fixture
def as_root(monkeypatch):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)


@pytest.mark.parametrize("device", ["memory:a", "pcap:/x.pcap", "xdp:lo?queue=0", "capture:lo"])
def test_device_of_this_machine_is_accepted(tmp_path, as_root, device):
    check(tmp_path, device)


@pytest.mark.parametrize("kind", ["xdp", "capture"])
def test_absent_interface_is_named_with_its_line(tmp_path, as_root, kind):
    with pytest.raises(NotOnThisMachine) as caught:
        check(tmp_path, f"{kind}:st-absent?queue=1")

    place = f"{tmp_path}/stellar.yml:4"
    assert str(caught.value) == (
        f"{place}: expected a network interface, found none called 'st-absent'"
    )


def test_live_device_needs_root(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)

    with pytest.raises(NotOnThisMachine, match=":4: expected root for xdp:, found uid 1000"):
        check(tmp_path, "xdp:lo")


def test_dpdk_is_not_in_this_version(tmp_path):
    with pytest.raises(ConfigError, match=":4: expected a device of this version, found dpdk:"):
        check(tmp_path, "dpdk:0000:00:01.0")
