# SPDX-License-Identifier: Apache-2.0
"""xdp: devices on real interfaces: forwarding, the fail action, take-over and removal."""

import json
import shutil
from pathlib import Path

import pytest
from wire import BRIDGE, SERVER_ADDRESS, Wire, run

pytestmark = pytest.mark.root

CLOSED = ("xdp:left", "xdp:right")
OPEN = ("xdp:left?fail=open&peer=right", "xdp:right?fail=open&peer=left")
MODES = ("native", "generic")

OTHER_PROGRAM = """
__attribute__((section("xdp"), used)) int other(void *frame) { return 2; }
"""


def refusal(wire: Wire, left: str) -> str:
    """What the bridge says when it can't open a device, its exit code checked."""
    done = run(*wire.bridge_command(left, "xdp:right"), check=False)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_ping_and_tcp_cross_the_wire(xdp_wire: Wire, mode: str) -> None:
    with xdp_wire.bridged(f"xdp:left?mode={mode}", f"xdp:right?mode={mode}"):
        assert xdp_wire.ping()
        xdp_wire.transfer()


def test_flood_crosses_and_every_frame_is_counted(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*CLOSED) as bridge:
        flood = f"ip netns exec {xdp_wire.client} ping -q -f -c 20000 -l 64 {SERVER_ADDRESS}"
        assert " 0% packet loss" in run(*flood.split()).stdout
        bridge.terminate()
        printed, complaints = bridge.communicate(timeout=10)

    left, right = (json.loads(line) for line in printed.splitlines())
    assert complaints == ""
    assert left["rx_frames"] >= 20000
    assert left["rx_frames"] == right["tx_frames"]
    assert right["rx_frames"] == left["tx_frames"]
    assert left["rx_missed"] == right["rx_missed"] == 0


def test_wire_that_fails_closed_stops_with_the_bridge(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*CLOSED) as bridge:
        assert xdp_wire.ping()
        bridge.kill()
        bridge.wait()

    assert not xdp_wire.ping()


@pytest.mark.parametrize("mode", MODES)
def test_wire_that_fails_open_carries_on_without_the_bridge(xdp_wire: Wire, mode: str) -> None:
    left, right = (f"{uri}&mode={mode}" for uri in OPEN)
    with xdp_wire.bridged(left, right) as bridge:
        assert xdp_wire.ping()
        bridge.kill()
        bridge.wait()

    assert xdp_wire.ping()
    xdp_wire.transfer()


def test_restarted_bridge_takes_over_the_program_that_is_there(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*CLOSED):
        program_id = xdp_wire.program_id("left")
    assert program_id is not None

    with xdp_wire.bridged(*CLOSED):
        assert xdp_wire.ping()

        assert xdp_wire.program_id("left") == program_id


def test_restart_changes_the_declared_fail_action(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*OPEN):
        pass
    assert xdp_wire.ping()

    with xdp_wire.bridged(*CLOSED):
        pass

    assert not xdp_wire.ping()


def test_detach_leaves_the_links_as_before(xdp_wire: Wire) -> None:
    before = xdp_wire.links()
    with xdp_wire.bridged(*OPEN):
        assert xdp_wire.links() != before

    assert xdp_wire.detach("xdp:left").returncode == 0
    assert xdp_wire.detach("right").returncode == 0

    assert xdp_wire.links() == before
    assert xdp_wire.detach("right").returncode == 0


def test_bridge_stopped_in_order_leaves_the_fail_action(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*OPEN) as bridge:
        bridge.terminate()
        printed, complaints = bridge.communicate(timeout=10)

        assert bridge.returncode == 0, complaints
        assert printed.count('"rx_missed": 0') == 2
    assert xdp_wire.ping()


def test_link_that_goes_down_and_up_again_resumes(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*CLOSED) as bridge:
        run("ip", "-n", xdp_wire.bridge, "link", "set", "left", "down")
        assert not xdp_wire.ping()
        run("ip", "-n", xdp_wire.bridge, "link", "set", "left", "up")

        assert xdp_wire.ping(count=20)
        assert bridge.poll() is None


def test_removed_interface_ends_the_device_with_one_line(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*CLOSED) as bridge:
        run("ip", "-n", xdp_wire.bridge, "link", "del", "left")
        _, complaints = bridge.communicate(timeout=10)

    assert bridge.returncode == 1
    assert complaints.endswith(": xdp:left: the interface is gone\n")
    assert complaints.count("\n") == 1


def test_queue_in_use_is_refused(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*CLOSED):
        complaint = refusal(xdp_wire, "xdp:left")

        assert complaint == "xdp:left: binding to the queue 0: Device or resource busy\n"
        assert xdp_wire.ping()


def test_program_of_another_owner_is_left_alone(xdp_wire: Wire, tmp_path: Path) -> None:
    clang = shutil.which("clang-14") or shutil.which("clang")
    if clang is None:
        pytest.skip("needs clang")
    source, program = tmp_path / "other.c", tmp_path / "other.o"
    source.write_text(OTHER_PROGRAM)
    run(clang, "-target", "bpf", "-O2", "-c", source, "-o", program)
    attach = f"ip -n {xdp_wire.bridge} link set left xdpdrv obj {program} sec xdp"
    run(*attach.split())
    other_id = xdp_wire.program_id("left")

    complaint = refusal(xdp_wire, "xdp:left")
    detached = xdp_wire.detach("left")

    assert 'expected no XDP program of others on it, found "other"' in complaint
    assert detached.returncode == 1
    assert xdp_wire.program_id("left") == other_id


def test_interface_of_several_queues_must_be_opened_by_queue(xdp_wire: Wire) -> None:
    channels = f"ip netns exec {xdp_wire.bridge} ethtool -L left rx 2 tx 2"
    if run(*channels.split(), check=False).returncode != 0:
        pytest.skip("needs two queues on a veth")

    complaint = refusal(xdp_wire, "xdp:left")

    assert complaint.startswith("xdp:left: expected one rx queue, found 2")
    with xdp_wire.bridged("xdp:left?queue=0", "xdp:right"):
        pass


def test_mtu_that_no_frame_of_the_umem_holds_is_refused(xdp_wire: Wire) -> None:
    run("ip", "-n", xdp_wire.bridge, "link", "set", "left", "mtu", "9000")

    complaint = refusal(xdp_wire, "xdp:left")

    assert complaint == "xdp:left: expected an MTU of at most 3818, found 9000\n"


def test_large_frames_cross_in_large_umem_frames(xdp_wire: Wire) -> None:
    for namespace, interface in xdp_wire.ends():
        run("ip", "-n", namespace, "link", "set", interface, "mtu", "3000")

    with xdp_wire.bridged(*CLOSED):
        xdp_wire.transfer()


@pytest.mark.parametrize("drop", [[], ["setpriv", "--bounding-set=-sys_admin"]])
def test_pinned_program_is_taken_over(
    xdp_wire: Wire, pin_prefix: tuple[str, list[str]], drop: list[str]
) -> None:
    folder, prefix = pin_prefix
    left, right = (f"{uri}&pin={folder}" for uri in OPEN)
    with xdp_wire.bridged(left, right, prefix):
        program_id = xdp_wire.program_id("left")

    with xdp_wire.bridged(left, right, [*prefix, *drop]):
        assert xdp_wire.ping()
        assert xdp_wire.program_id("left") == program_id

    listing = [*prefix, "find", folder, "-name", "stellar-*"]
    assert len(run(*listing).stdout.split()) == 6
    run(*prefix, BRIDGE, "--detach", left)
    run(*prefix, BRIDGE, "--detach", right)
    assert run(*listing).stdout == ""


def test_program_without_pins_needs_sys_admin_to_be_taken_over(xdp_wire: Wire) -> None:
    with xdp_wire.bridged(*CLOSED):
        pass

    command = ["setpriv", "--bounding-set=-sys_admin", str(BRIDGE), *CLOSED]
    done = run(*xdp_wire.in_bridge(*command), check=False)

    assert done.returncode == 1
    assert done.stderr.endswith("(needs CAP_SYS_ADMIN, or pin=DIR)\n")


def test_pin_outside_of_a_bpffs_is_refused(xdp_wire: Wire, tmp_path: Path) -> None:
    complaint = refusal(xdp_wire, f"xdp:left?pin={tmp_path}")

    assert "pin: expected a directory on a bpffs" in complaint
    assert xdp_wire.program_id("left") is None


def test_without_privilege_it_is_one_line(xdp_wire: Wire) -> None:
    command = ["setpriv", "--bounding-set=-all", str(BRIDGE), *CLOSED]
    done = run(*xdp_wire.in_bridge(*command), check=False)

    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr
    assert done.stderr.count("\n") == 1
