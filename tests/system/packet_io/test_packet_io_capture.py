# SPDX-License-Identifier: Apache-2.0
"""capture: devices on real interfaces."""

import json

import pytest
from wire import Wire, run

pytestmark = pytest.mark.root

DEVICES = ("capture:left", "capture:right")


def test_ping_and_tcp_cross_the_wire(wire: Wire) -> None:
    with wire.bridged(*DEVICES) as bridge:
        assert wire.ping()
        wire.transfer()
        bridge.terminate()
        printed, complaints = bridge.communicate(timeout=10)

    left, right = (json.loads(line) for line in printed.splitlines())
    assert complaints == ""
    assert left["rx_frames"] > 1000
    # What is sent is not received again.
    assert left["rx_frames"] == right["tx_frames"]
    assert right["rx_frames"] == left["tx_frames"]


def test_wire_stops_with_the_bridge_and_resumes_with_the_next(wire: Wire) -> None:
    with wire.bridged(*DEVICES) as bridge:
        assert wire.ping()
        bridge.kill()
        bridge.wait()
        assert not wire.ping()

    with wire.bridged(*DEVICES):
        assert wire.ping()


def test_nothing_remains_on_the_links(wire: Wire) -> None:
    before = wire.links()

    with wire.bridged(*DEVICES):
        assert wire.links() != before

    assert wire.links() == before


def test_link_that_goes_down_and_up_again_resumes(wire: Wire) -> None:
    with wire.bridged(*DEVICES) as bridge:
        run("ip", "-n", wire.bridge, "link", "set", "left", "down")
        assert not wire.ping()
        run("ip", "-n", wire.bridge, "link", "set", "left", "up")

        assert wire.ping(count=20)
        assert bridge.poll() is None


def test_removed_interface_ends_the_device_with_one_line(wire: Wire) -> None:
    with wire.bridged(*DEVICES) as bridge:
        run("ip", "-n", wire.bridge, "link", "del", "left")
        _, complaints = bridge.communicate(timeout=10)

    assert bridge.returncode == 1
    assert complaints.startswith("rx: capture:left: ")
    assert complaints.count("\n") == 1


def test_frame_longer_than_the_link_takes_is_refused(wire: Wire) -> None:
    run("ip", "-n", wire.bridge, "link", "set", "right", "mtu", "1000")

    with wire.bridged(*DEVICES) as bridge:
        command = f"ip netns exec {wire.client} ping -c 1 -W 1 -s 1400 192.0.2.2"
        assert run(*command.split(), check=False).returncode == 1
        bridge.terminate()
        _, complaints = bridge.communicate(timeout=10)

    assert "capture:right: expected a frame of at most 1018 bytes, found 1442" in complaints


def test_interface_that_is_down_is_refused(wire: Wire) -> None:
    run("ip", "-n", wire.bridge, "link", "set", "left", "down")

    done = run(*wire.bridge_command(*DEVICES), check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("capture:left: ")
    assert done.stderr.count("\n") == 1
