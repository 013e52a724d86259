# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the namespaces, and a bpffs that ends with the test."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wire import BRIDGE, Wire, build_wire, remove_wire  # noqa: E402

AF_XDP = 44  # not in the socket module


@pytest.fixture
def wire() -> Iterator[Wire]:
    if not BRIDGE.exists():
        pytest.fail(f"{BRIDGE} is not built: run make build")
    names = [f"stellar-test-{os.getpid()}-{role}" for role in ("client", "bridge", "server")]
    wire = Wire(*names)
    try:
        build_wire(wire)
        yield wire
    finally:
        remove_wire(wire)


@pytest.fixture
def xdp_wire(wire: Wire) -> Wire:
    """A wire whose interfaces take AF_XDP."""
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW, 0).close()
    except OSError:
        pytest.skip("needs AF_XDP in the kernel (CONFIG_XDP_SOCKETS)")
    return wire


@pytest.fixture
def pin_prefix(wire: Wire, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A bpffs in a mount namespace of its own: its folder, and the command that runs another in
    there and in the bridge's network namespace."""
    script = f"mount -t bpf bpf {tmp_path} && echo ready && exec cat"
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            assert holder.stdout is not None
            if holder.stdout.readline() != "ready\n":
                pytest.skip("needs a bpffs (mount -t bpf)")
            mounts = f"--mount=/proc/{holder.pid}/ns/mnt"
            network = f"--net=/run/netns/{wire.bridge}"
            yield str(tmp_path), ["nsenter", mounts, network]
        finally:
            holder.kill()
