# SPDX-License-Identifier: Apache-2.0
"""The lab as these tests use it: the verbs behind `make deploy`, and commands in its namespaces.

A lab that somebody has deployed by hand is never touched: the tests that need one skip.
"""

import fcntl
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PREFIX = Path("/var/lib/stellar-lab")
LOCK = Path("/run/lock/stellar-lab-tests")
NAMESPACES = ("stellar-client", "stellar-appliance", "stellar-server")
SERVER = "192.0.2.20"
VERB_LIMIT_SEC = 120
EVENT_LIMIT_SEC = 15.0


class Lab:
    """The lab of inventories/lab, driven from outside."""

    stellar = ROOT / ".venv" / "bin" / "stellar"
    config = PREFIX / "etc" / "stellar.yml"
    policy = PREFIX / "etc" / "policy.yml"
    deploy_output = ""

    def run_verb(self, verb: str) -> str:
        """What `make VERB` prints; the verb has to succeed."""
        result = self.try_verb(verb)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def try_verb(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Do what `make VERB` does, whatever comes of it."""
        return subprocess.run(
            [ROOT / ".ci" / "appliance", verb, "inventories/lab", "firewall", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=VERB_LIMIT_SEC,
        )

    def interrupt_deploy(self) -> None:
        """Leave what a deploy leaves that is killed early: a note, some namespaces, no links."""
        PREFIX.mkdir()
        # Not os.path.ismount: a folder mounted on itself has its parent's device.
        if subprocess.run(["findmnt", "/run/netns"], capture_output=True).returncode != 0:
            (PREFIX / "owns-netns-mount").touch()
        for name in NAMESPACES[:2]:
            subprocess.run(["ip", "netns", "add", name], check=True)

    def run(self, namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a namespace."""
        return subprocess.run(
            ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, timeout=60
        )

    def fetch(self, port: int, limit_sec: float = 2) -> int:
        """Exit code of curl: 0 answered, 7 refused, 28 no answer."""
        url = f"http://{SERVER}:{port}/"
        limit = str(limit_sec)
        return self.run("stellar-client", "curl", "-s", "--max-time", limit, url).returncode

    def start_download(self) -> "subprocess.Popen[str]":
        """A download of some seconds; prints how many bytes came when it ends."""
        return subprocess.Popen(
            ["ip", "netns", "exec", "stellar-client", "curl", "-s", "-o", "/dev/null"]
            + ["--max-time", "30", "-w", "%{size_download}", f"http://{SERVER}/long.txt"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line on the appliance."""
        command = [str(self.stellar), *arguments, "--config", str(self.config)]
        return self.run("stellar-appliance", *command)

    def read(self, *arguments: str) -> Any:
        """What a verb prints with --json."""
        result = self.call(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def find_process(self, module: str) -> int | None:
        """Process id of the engine, the control daemon or their supervisor."""
        listed = subprocess.run(
            ["ip", "netns", "pids", "stellar-appliance"], capture_output=True, text=True
        )
        for number in listed.stdout.split():
            try:
                command_line = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if module in command_line.decode():
                return int(number)
        return None


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """The first true result of the condition, asked again until the deadline."""
    deadline = time.monotonic() + EVENT_LIMIT_SEC
    pause = threading.Event()
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not in {EVENT_LIMIT_SEC:g} s"
        pause.wait(0.02)
    return result


@pytest.fixture(scope="session", name="wait_until")
def wait_until_fixture() -> Callable[[Callable[[], Any], str], Any]:
    """Wait for a condition, with a deadline."""
    return wait_until


@pytest.fixture(scope="session")
def undeployed_lab() -> Iterator[Lab]:
    """The lab while nobody has it deployed; the tests of another checkout wait for no one."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.skip("the lab is in use by another test run")
        refuse_deployed_lab()
        yield Lab()


def refuse_deployed_lab() -> None:
    """Skip where somebody has deployed the lab by hand: it is theirs."""
    if PREFIX.exists() or any(Path("/run/netns", name).exists() for name in NAMESPACES):
        pytest.skip("the lab is deployed: run `make undeploy` first")


# Values that the kernel or other programs change by themselves at any time.
_RESTLESS = re.compile(r"kernel\.(random\.|ns_last_pid|pty\.nr|keys\.)|fs\.(dentry|inode|file)-")


# Namespaces that other programs make meanwhile are not the lab's doing.
_FOREIGN_NAMESPACE = re.compile(r"(?!stellar-)[\w.-]+( \(id: \d+\))?")
_FOREIGN_MOUNT = re.compile(r".* /run/netns/(?!stellar-)")


@pytest.fixture(scope="session")
def look_at_machine() -> Callable[[], dict[str, list[str]]]:
    """What a deployment could leave behind on the machine, as lines by kind."""

    def lines(*command: str) -> list[str]:
        result = subprocess.run(command, capture_output=True, text=True)
        return result.stdout.splitlines()

    def look() -> dict[str, list[str]]:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        units = [
            str(path)
            for folder in ("/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system")
            for path in Path(folder).rglob("*")
        ]
        hugepages = [
            f"{path}={path.read_text().strip()}"
            for path in Path("/sys/kernel/mm/hugepages").glob("*/nr_hugepages")
        ]
        return {
            "links": lines("ip", "-oneline", "link", "show"),
            "addresses": lines("ip", "-brief", "address", "show"),
            "routes": lines("ip", "route", "show", "table", "all"),
            "namespaces": [
                each
                for each in lines("ip", "netns", "list")
                if not _FOREIGN_NAMESPACE.fullmatch(each)
            ],
            "sysctls": [each for each in lines("sysctl", "-a") if not _RESTLESS.match(each)],
            "units": sorted(units),
            "mounts": sorted(
                line.split(" ", 3)[3] for line in mounts if not _FOREIGN_MOUNT.match(line)
            ),
            "hugepages": sorted(hugepages),
            "prefix": sorted(str(path) for path in PREFIX.rglob("*")),
        }

    return look


@pytest.fixture(scope="module")
def lab(undeployed_lab: Lab, look_at_machine: Callable[[], dict[str, list[str]]]) -> Iterator[Lab]:
    """The lab, deployed for the tests of a module; afterwards the machine has to be as before."""
    before = look_at_machine()
    try:
        undeployed_lab.deploy_output = undeployed_lab.run_verb("deploy")
        yield undeployed_lab
    finally:
        undeployed_lab.run_verb("undeploy")
    assert look_at_machine() == before
