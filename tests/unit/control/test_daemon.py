# SPDX-License-Identifier: Apache-2.0
"""The daemon restores policies, serves metrics, and goes on without an engine."""

import asyncio
import dataclasses
import json
import logging
import socket

import aiohttp
import pytest

from stellar.control.api import Api
from stellar.control.apply import PolicyKeeper
from stellar.control.daemon import Daemon, main
from stellar.control.engine_client import EngineClient
from stellar.engine.config import MetricsConfig

LIMIT_SEC = 20


@pytest.fixture(autouse=True)
def restored_logging():
    """main() sends the log of its process to standard error; here the process goes on."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def make_daemon(config):
    engine = EngineClient(config.engine_socket, timeout_sec=5)
    return Daemon(config, engine, PolicyKeeper(config, engine), watch_sec=0.01)


async def get(connector, url):
    async with aiohttp.ClientSession(connector=connector) as caller, caller.get(url) as response:
        return response.status, await response.text()


async def run_while(daemon, work):
    task = asyncio.create_task(daemon.run())
    try:
        async with asyncio.timeout(LIMIT_SEC):
            await daemon.listening.wait()
            return await work()
    finally:
        daemon.stop()
        await asyncio.wait_for(task, LIMIT_SEC)


def test_engine_without_a_policy_gets_the_configured_one(config, fake_engine):
    async def main():
        applied = asyncio.Event()
        take = fake_engine.answers["policy_apply"]
        fake_engine.answers["policy_apply"] = lambda request: (applied.set(), take(request))[1]
        async with fake_engine.running():
            await run_while(make_daemon(config), applied.wait)

    asyncio.run(main())

    assert fake_engine.generation == 1
    assert not config.api_socket.exists()


def test_restarted_engine_without_a_policy_gets_it_again(config, fake_engine):
    async def main():
        applied = asyncio.Queue()
        take = fake_engine.answers["policy_apply"]
        fake_engine.answers["policy_apply"] = lambda request: (
            applied.put_nowait(1),
            take(request),
        )[1]

        async def lose_the_engine():
            async with fake_engine.running():
                await applied.get()
            fake_engine.generation = 0
            async with fake_engine.running():
                await applied.get()

        await run_while(make_daemon(config), lose_the_engine)

    asyncio.run(main())

    assert len(fake_engine.images) == 2


def test_rejected_policy_is_told_by_health(config, fake_engine):
    config.policy.write_text("personality: firewall\ncolor: red\n")

    async def main():
        asked = asyncio.Event()
        ping = fake_engine.answers["ping"]
        fake_engine.answers["ping"] = lambda request: (asked.set(), ping(request))[1]
        daemon = make_daemon(config)

        async def look():
            while True:
                asked.clear()
                await asked.wait()
                connector = aiohttp.UnixConnector(str(config.api_socket))
                _, text = await get(connector, "http://localhost/v1/health")
                if "color" in text:
                    return

        async with fake_engine.running():
            await run_while(daemon, look)

    asyncio.run(main())

    assert fake_engine.images == []


def test_bug_is_one_line_for_the_caller_and_ends_nothing(config, fake_engine, monkeypatch):
    async def fail(api, request):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(Api, "stats", fail)

    async def ask():
        answers = []
        for path in ("stats", "openapi.json"):
            connector = aiohttp.UnixConnector(str(config.api_socket))
            answers.append(await get(connector, f"http://localhost/v1/{path}"))
        return answers

    (status, text), (after, _) = asyncio.run(run_while(make_daemon(config), ask))

    assert (status, after) == (500, 200)
    assert json.loads(text)["error"] == "internal error: ZeroDivisionError"


@pytest.mark.parametrize(("is_running", "figure"), [(True, "1.0"), (False, "0.0")])
def test_metrics_say_whether_the_engine_is_up(config, fake_engine, is_running, figure):
    port = free_port()
    config = dataclasses.replace(config, metrics=MetricsConfig(port=port))

    async def scrape():
        return await get(None, f"http://127.0.0.1:{port}/metrics")

    async def main():
        if not is_running:
            return await run_while(make_daemon(config), scrape)
        async with fake_engine.running():
            return await run_while(make_daemon(config), scrape)

    status, text = asyncio.run(main())

    assert status == 200
    assert f"stellar_engine_up_gauge {figure}" in text


def test_taken_metrics_port_is_one_line(config, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "stellar.yml"
        port = taken.getsockname()[1]
        path.write_text(
            "personality: firewall\npolicy: /absent.yml\ninterfaces: []\n"
            f"runtime_directory: {config.runtime_directory}\n"
            f"state_directory: {config.state_directory}\n"
            f"metrics: {{port: {port}}}\n"
        )

        code = main(["--config", str(path)])

    assert code == 1
    assert not (config.runtime_directory / "api.sock").exists()
    assert "address already in use" in capsys.readouterr().err.splitlines()[-1]


def test_wrong_configuration_is_usage(tmp_path, capsys):
    code = main(["--config", str(tmp_path / "absent.yml")])

    assert code == 2
    assert "expected a readable file" in capsys.readouterr().err
