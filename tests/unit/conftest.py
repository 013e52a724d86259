# SPDX-License-Identifier: Apache-2.0
"""What the control plane's tests share: a configuration, and an engine that is a script."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stellar.engine.config import ApplianceConfig, parse_config

Answer = dict[str, Any] | bytes | None

STATS = {
    "packets": {
        "received": 10,
        "generated": 1,
        "forwarded": 7,
        "dropped": {"policy_rule": 3, "malformed": 0},
        "local": 0,
        "held": 1,
    },
    "sessions": {"created": 4, "active": 2, "closed": {"fin": 1, "timeout": 1}, "evicted": 0},
    "events": {"session_opening": 4},
    "decode_events": {"ipv4_fragment": 2},
    "policy": {"generation": 0},
    "plugins": [
        {
            "name": "firewall",
            "version": "1",
            "calls": 9,
            "errors": 0,
            "contexts": 2,
            "enabled": True,
        }
    ],
    "interfaces": [{"name": "inside", "rx_frames": 10, "rx_bytes": 900, "tx_frames": 7}],
    "output": {"written": 5, "lost": 0},
}


class FakeEngine:
    """Answers the engine's calls from a table; remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests: list[dict[str, Any]] = []
        self.generation = 0
        self.images: list[bytes] = []
        self.answers: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "ping": lambda request: {"ok": True, "generation": self.generation},
            "stats": lambda request: {
                "ok": True,
                **STATS,
                "policy": {"generation": self.generation},
            },
            "policy_apply": self._apply,
            "plugins": lambda request: {"ok": True, "plugins": STATS["plugins"]},
            "interfaces": lambda request: {"ok": True, "interfaces": STATS["interfaces"]},
            "reopen_events": lambda request: {"ok": True},
        }

    def _apply(self, request: dict[str, Any]) -> Answer:
        self.images.append(Path(request["path"]).read_bytes())
        self.generation += 1
        return {"ok": True, "generation": self.generation}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = json.loads(line)
            self.requests.append(request)
            answer = self.answers[request["call"]](request)
            if answer is None:  # never: the caller's time limit decides
                await reader.read()
                break
            writer.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
            writer.write(b"\n")
            await writer.drain()
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeEngine"]:
        server = await asyncio.start_unix_server(self.serve, str(self.path))
        try:
            yield self
        finally:
            server.close()
            self.path.unlink(missing_ok=True)


@pytest.fixture
def config_text(tmp_path: Path) -> str:
    policy = tmp_path / "policy.yml"
    policy.write_text(POLICY)
    (tmp_path / "run").mkdir()
    (tmp_path / "state").mkdir()
    return f"""\
personality: firewall
policy: {policy}
runtime_directory: {tmp_path}/run
state_directory: {tmp_path}/state
metrics: {{enabled: false}}
interfaces:
  - {{name: inside, device: "memory:a"}}
  - {{name: outside, device: "memory:b"}}
wires: [{{between: [inside, outside]}}]
events: {{path: {tmp_path}/log/eve.json}}
"""


@pytest.fixture
def config(config_text: str) -> ApplianceConfig:
    return parse_config(config_text, "stellar.yml")


@pytest.fixture
def fake_engine(config: ApplianceConfig) -> FakeEngine:
    return FakeEngine(config.engine_socket)


POLICY = """\
personality: firewall
on_reload: keep
zones:
  inside: {interfaces: [inside], networks: [192.0.2.0/24]}
  outside: {interfaces: [outside]}
services: {web: [{protocol: tcp, ports: [80]}]}
rules:
  - {name: allow-web, from: inside, to: outside, service: [web], action: allow}
default: drop
"""


@pytest.fixture
def policy_text() -> str:
    return POLICY


@pytest.fixture
def engine_stats() -> dict[str, Any]:
    return copy.deepcopy(STATS)
