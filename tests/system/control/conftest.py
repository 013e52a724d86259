# SPDX-License-Identifier: Apache-2.0
"""A client, an appliance and a server in network namespaces, made and removed by each test."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stellar

LIMIT_SEC = 30
STELLAR = Path(sys.executable).parent / "stellar"

# Greets on every port it is given, then gives back each line.
SERVER = """
import socketserver, sys, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"hello\\n")
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
for port in map(int, sys.argv[1:]):
    server = Server(("192.0.2.20", port), Echo)
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
"""

# Opens a session to a port, says what it was greeted with, then sends each line it is told to.
CLIENT = """
import socket, sys
try:
    peer = socket.create_connection(("192.0.2.20", int(sys.argv[1])), timeout=float(sys.argv[2]))
    stream = peer.makefile("rw")
    print(stream.readline().strip(), flush=True)
    for line in sys.stdin:
        stream.write(line)
        stream.flush()
        print(stream.readline().strip(), flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""

CONFIG = """\
personality: firewall
runtime_directory: {directory}/run
state_directory: {directory}/state
policy: {directory}/policy.yml
session_directories: [{sessions}]
engine: {{session: {{capacity: 4096, midstream: false}}}}
interfaces:
  - {{name: inside, device: "xdp:st-in"}}
  - {{name: outside, device: "xdp:st-out"}}
wires: [{{between: [inside, outside], fail: closed}}]
events: {{path: {directory}/log/eve.json, types: [flow, drop]}}
"""

POLICY = """\
personality: firewall
on_reload: keep
zones:
  inside: {interfaces: [inside], networks: [192.0.2.10/32]}
  outside: {interfaces: [outside]}
services: {web: [{protocol: tcp, ports: [80]}]}
rules:
  - {name: allow-web, from: inside, to: outside, service: [web], action: allow}
  - {name: no-telnet, from: inside, to: outside, action: reject}
default: drop
"""


def command(*words: object) -> None:
    arguments = [str(word) for word in words]
    subprocess.run(arguments, check=True, timeout=LIMIT_SEC, stdout=subprocess.DEVNULL)


class Client:
    """One session from the client to the server."""

    def __init__(self, namespace: str, port: int, timeout_sec: float) -> None:
        program = [sys.executable, "-c", CLIENT, str(port), str(timeout_sec)]
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.greeting = self._read()

    def say(self, line: str) -> str:
        """Send a line; returns what came back."""
        self.send(line)
        return self._read()

    def send(self, line: str) -> None:
        """Send a line that may never come back."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], LIMIT_SEC)
        assert readable, "the client said nothing"
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Appliance:
    """The machines, and `stellar` on the middle one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "stellar.yml"
        self.policy = directory / "policy.yml"
        self.log = directory / "log" / "stellar.log"
        self.events = directory / "log" / "eve.json"
        self.sessions = Path("/dev/shm") / f"stellar-sc{os.getpid()}"
        self._names = {part: f"sc{os.getpid()}-{part}" for part in ("client", "box", "server")}
        self._clients: list[Client] = []
        self._server: subprocess.Popen[str] | None = None

    def build(self) -> None:
        """Namespaces, links, the server; st-in and st-out are the appliance's."""
        for name in self._names.values():
            command("ip", "netns", "add", name)
            command("ip", "-n", name, "link", "set", "lo", "up")
            quiet = "net.ipv6.conf.default.disable_ipv6=1"  # no sessions but the tests' own
            command("ip", "netns", "exec", name, "sysctl", "-w", quiet)
        for end, middle, address in (("client", "in", 10), ("server", "out", 20)):
            box, host = self._names["box"], self._names[end]
            link = ("link", "add", f"st-{middle}", "type", "veth", "peer", "eth0", "netns", host)
            command("ip", "-n", box, *link)
            for name, device in ((box, f"st-{middle}"), (host, "eth0")):
                command("ip", "netns", "exec", name, "ethtool", "-K", device, "tx", "off")
                command("ip", "-n", name, "link", "set", device, "up")
            command("ip", "-n", host, "address", "add", f"192.0.2.{address}/24", "dev", "eth0")
        self._server = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                self._names["server"],
                sys.executable,
                "-c",
                SERVER,
                "80",
                "81",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout is not None and self._server.stdout.readline() == "ready\n"
        self.config.write_text(CONFIG.format(directory=self.directory, sessions=self.sessions))
        self.policy.write_text(POLICY)

    def stellar(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command on the appliance."""
        return subprocess.run(
            ["ip", "netns", "exec", self._names["box"], str(STELLAR), *map(str, words),
             "--config", str(self.config)],
            capture_output=True, text=True, timeout=LIMIT_SEC,
        )  # fmt: skip

    def stellar_json(self, *words: object) -> Any:
        """The JSON answer of a command that has to succeed."""
        result = self.stellar(*words, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def start(self) -> None:
        result = self.stellar("run", "--daemon")
        assert result.returncode == 0, result.stderr

    def connect(self, port: int = 80, timeout_sec: float = LIMIT_SEC) -> Client:
        client = Client(self._names["client"], port, timeout_sec)
        self._clients.append(client)
        return client

    @property
    def supervisor_pid(self) -> int:
        return int((self.directory / "run" / "stellar.pid").read_text())

    def pids(self, child: str) -> list[int]:
        """Every process that ran as this child, in order."""
        found = re.findall(rf"event=started child={child} pid=(\d+)", self.log.read_text())
        return [int(pid) for pid in found]

    def kill(self, pid: int, number: signal.Signals) -> None:
        os.kill(pid, number)

    def wait_for_end(self, pid: int) -> None:
        handle = os.pidfd_open(pid)
        ended, _, _ = select.select([handle], [], [], LIMIT_SEC)
        os.close(handle)
        assert ended, f"process {pid} goes on"

    def call_engine(self, name: str) -> dict[str, Any]:
        """Ask the engine itself, past control."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(LIMIT_SEC)
            peer.connect(str(self.directory / "run" / "engine.sock"))
            peer.sendall(json.dumps({"call": name}).encode() + b"\n")
            return json.loads(peer.makefile().readline())

    def wait_for_text(self, path: Path, text: str, times: int = 1) -> None:
        """Until a file that may not be there yet has a text so many times."""
        words = ["tail", "--silent", "-n", "+1", "-F", str(path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tail:
            assert tail.stdout is not None
            seen = b""
            while seen.count(text.encode()) < times:
                readable, _, _ = select.select([tail.stdout], [], [], LIMIT_SEC)
                assert readable, f"no {text!r} in {path}"
                seen += os.read(tail.stdout.fileno(), 65536)
            tail.kill()

    def remove(self) -> None:
        """Everything this made, whatever state it is in."""
        for client in self._clients:
            client.close()
        try:
            self._stop()
        finally:
            if self._server is not None:
                self._server.kill()
                self._server.communicate()
            for name in self._names.values():
                subprocess.run(["ip", "netns", "delete", name], capture_output=True)
            shutil.rmtree(self.sessions, ignore_errors=True)

    def _stop(self) -> None:
        if not (self.directory / "run" / "stellar.pid").exists():
            return
        for pid in self.pids("control")[-1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        pid = self.supervisor_pid
        os.kill(pid, signal.SIGTERM)
        self.wait_for_end(pid)


@pytest.fixture(scope="session")
def compile_plugin() -> Callable[..., Path]:
    """Makes a plugin in C: source, output, and more options."""
    package = Path(stellar.__file__).parent

    def compile_to(source: Path, output: Path, *options: str) -> Path:
        command(
            "gcc", "-std=c11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-w",
            f"-I{package / 'include'}", *options, source, "-o", output,
            f"-L{package / '_native'}", "-lstellar", f"-Wl,-rpath,{package / '_native'}",
        )  # fmt: skip
        return output

    return compile_to


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Appliance]:
    """The machines, and nothing started on them."""
    machines = Appliance(tmp_path)
    try:
        machines.build()
        yield machines
    finally:
        machines.remove()


@pytest.fixture
def appliance(machines: Appliance) -> Appliance:
    machines.start()
    return machines
