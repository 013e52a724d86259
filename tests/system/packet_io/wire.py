# SPDX-License-Identifier: Apache-2.0
"""A wire to test on: client - left|right - server in network namespaces, and the bridge program."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))
PROGRAMS = BUILD / "tests" / "native" / "packet_io"
BRIDGE = PROGRAMS / "wire_bridge"
COUNT_FRAMES = PROGRAMS / "count_frames"

SERVER_ADDRESS = "192.0.2.2"
SERVER_PORT = 9000
COMMAND_TIMEOUT_SEC = 30  # a safety net

SERVE_ONE = f"""
import hashlib, socket
server = socket.create_server(("{SERVER_ADDRESS}", {SERVER_PORT}))
print("ready", flush=True)
peer, _ = server.accept()
digest = hashlib.sha256()
while chunk := peer.recv(1 << 16):
    digest.update(chunk)
peer.sendall(digest.digest())
"""

SEND_AND_COMPARE = f"""
import hashlib, socket
content = bytes(range(251)) * 16384
peer = socket.create_connection(("{SERVER_ADDRESS}", {SERVER_PORT}), timeout=10)
peer.sendall(content)
peer.shutdown(socket.SHUT_WR)
assert peer.recv(64) == hashlib.sha256(content).digest()
"""


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=check, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SEC
    )


@dataclass(frozen=True, slots=True)
class Wire:
    """Names of the three namespaces; interfaces are client, left, right and server."""

    client: str
    bridge: str
    server: str

    def ends(self) -> list[tuple[str, str]]:
        return [
            (self.client, "client"),
            (self.bridge, "left"),
            (self.bridge, "right"),
            (self.server, "server"),
        ]

    def ping(self, count: int = 3) -> bool:
        """Whether any of count echo requests is answered."""
        command = f"ping -n -c {count} -i 0.2 -W 1 {SERVER_ADDRESS}".split()
        return run("ip", "netns", "exec", self.client, *command, check=False).returncode == 0

    def transfer(self) -> None:
        """Send 4 MB by TCP, one way, and compare digests."""
        serve = ["ip", "netns", "exec", self.server, sys.executable, "-c", SERVE_ONE]
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == "ready\n"
                run("ip", "netns", "exec", self.client, sys.executable, "-c", SEND_AND_COMPARE)
            finally:
                server.kill()

    def program_id(self, interface: str) -> int | None:
        """Id of the XDP program on left or right."""
        shown = json.loads(run("ip", "-n", self.bridge, "-j", "link", "show", interface).stdout)
        program: dict[str, Any] = shown[0].get("xdp", {}).get("prog", {})
        return program.get("id")

    def links(self) -> list[str]:
        """Everything ip and ethtool tell of the four ends, but counters."""
        return [
            run("ip", "-n", namespace, "-d", "link", "show", interface).stdout
            + run("ip", "netns", "exec", namespace, "ethtool", "-k", interface).stdout
            for namespace, interface in self.ends()
        ]

    def in_bridge(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.bridge, *command]

    def bridge_command(self, *arguments: str) -> list[str]:
        return self.in_bridge(str(BRIDGE), *arguments)

    def detach(self, interface: str) -> subprocess.CompletedProcess[str]:
        return run(*self.bridge_command("--detach", interface), check=False)

    @contextmanager
    def bridged(
        self, left: str, right: str, prefix: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[str]]:
        """The bridge, running; killed at the end if it still does. ip netns exec execs: no child
        is left behind."""
        command = (
            [*prefix, str(BRIDGE), left, right] if prefix else self.bridge_command(left, right)
        )
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None and process.stderr is not None
                if process.stdout.readline() != "ready\n":
                    raise AssertionError(process.stderr.read())
                yield process
            finally:
                process.kill()


def build_wire(wire: Wire) -> None:
    commands = [
        *(f"ip netns add {name}" for name in (wire.client, wire.bridge, wire.server)),
        f"ip -n {wire.bridge} link add left type veth peer name client netns {wire.client}",
        f"ip -n {wire.bridge} link add right type veth peer name server netns {wire.server}",
        f"ip -n {wire.client} addr add 192.0.2.1/24 dev client",
        f"ip -n {wire.server} addr add {SERVER_ADDRESS}/24 dev server",
        *(f"ip -n {namespace} link set {interface} up" for namespace, interface in wire.ends()),
        # What a veth pair needs: native/packet_io/README.md.
        f"ip netns exec {wire.client} ethtool -K client tx off tso off gso off gro on",
        f"ip netns exec {wire.server} ethtool -K server tx off tso off gso off gro on",
    ]
    for command in commands:
        run(*command.split())


def remove_wire(wire: Wire) -> None:
    for name in (wire.client, wire.bridge, wire.server):
        run("ip", "netns", "del", name, check=False)
