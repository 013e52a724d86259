# SPDX-License-Identifier: Apache-2.0
"""What the appliance's own tests run against: the appliance, a client, and a server behind it.

`appliance/verify.yml` writes a target file (JSON) and calls pytest with `--target FILE`. Without
it nothing here is collected, because these tests verify a deployment and make none.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
import yaml
from testinfra.backend.base import CommandResult
from testinfra.backend.local import LocalBackend
from testinfra.host import Host

EVENT_DEADLINE_SEC = 15.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--target", type=Path, help="JSON file that describes a deployed appliance")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--target", None) is None else None


class NamespaceBackend(LocalBackend):
    """Runs commands in a network namespace of this machine: `netns://NAME`."""

    def __init__(self, namespace: str) -> None:
        super().__init__()
        self._namespace = namespace

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        line = self.get_command(command, *args)
        return self.run_local("ip netns exec %s /bin/sh -c %s", self._namespace, line)


def reach(address: str) -> Host:
    """The host behind an address: `netns://NAME`, or anything testinfra knows (`ssh://...`)."""
    scheme, _, name = address.partition("://")
    if scheme == "netns":
        return Host(NamespaceBackend(name))
    return testinfra.get_host(address)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The target file, as the inventory gave it."""
    return json.loads(request.config.getoption("--target").read_text())


@pytest.fixture(scope="session")
def host(target: dict[str, Any]) -> Host:
    """The appliance."""
    return reach(target["appliance"])


@pytest.fixture(scope="session")
def client(target: dict[str, Any]) -> Host:
    """A machine on the inside of the appliance."""
    return reach(target["client"])


@pytest.fixture(scope="session")
def config(host: Host, target: dict[str, Any]) -> dict[str, Any]:
    """The configuration file that the appliance runs with."""
    return yaml.safe_load(host.file(target["config"]).content_string)


@pytest.fixture(scope="session")
def stellar(host: Host, target: dict[str, Any]) -> Callable[..., Any]:
    """Call the command line on the appliance with --json; gives back what it printed."""

    def call(verb: str) -> Any:
        result = host.run(f"{target['executable']} {verb} --json --config {target['config']}")
        assert result.rc == 0, result.stderr
        return json.loads(result.stdout)

    return call


def wait_for(find: Callable[[], Any], what: str) -> Any:
    """The first true result of `find`, asked again until the deadline."""
    deadline = time.monotonic() + EVENT_DEADLINE_SEC
    pause = threading.Event()
    while not (found := find()):
        assert time.monotonic() < deadline, f"{what}: not seen in {EVENT_DEADLINE_SEC:g} s"
        pause.wait(0.1)
    return found


@dataclass(frozen=True)
class EventLog:
    """The EVE file, from a position onwards."""

    host: Host
    path: str
    position_bytes: int

    def _events(self) -> Iterator[dict[str, Any]]:
        text = self.host.check_output("tail -c +%s %s", str(self.position_bytes + 1), self.path)
        for line in text.splitlines(keepends=True):
            if line.endswith("}\n") or line.endswith("}"):
                yield json.loads(line)

    def wait(self, event_type: str, **fields: Any) -> dict[str, Any]:
        """The first event of a type with these fields."""

        def find() -> dict[str, Any] | None:
            for event in self._events():
                wanted = {"event_type": event_type, **fields}
                if wanted.items() <= {k: v for k, v in event.items() if k in wanted}.items():
                    return event
            return None

        return wait_for(find, f"{event_type} event with {fields}")


@pytest.fixture
def events(host: Host, config: dict[str, Any]) -> EventLog:
    """Events logged from the start of this test."""
    path = config["events"]["path"]
    return EventLog(host, path, host.file(path).size)
