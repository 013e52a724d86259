# SPDX-License-Identifier: Apache-2.0
"""Calls to the engine, and every way in which they can fail."""

import asyncio

import pytest

from stellar.control.engine_client import EngineClient, EngineRefused, EngineUnavailable


def call(fake_engine, name, **arguments):
    async def main():
        async with fake_engine.running():
            return await EngineClient(fake_engine.path).call(name, **arguments)

    return asyncio.run(main())


def test_answer_is_given_without_its_ok(fake_engine):
    assert call(fake_engine, "ping") == {"generation": 0}


def test_arguments_reach_the_engine(fake_engine):
    fake_engine.answers["sessions"] = lambda request: {"ok": True, "sessions": []}

    call(fake_engine, "sessions", limit=3)

    assert fake_engine.requests == [{"call": "sessions", "limit": 3}]


def test_refusal_carries_reason_and_errno(fake_engine):
    fake_engine.answers["ping"] = lambda request: {"ok": False, "error": "no", "errno": 22}

    with pytest.raises(EngineRefused, match="^no$") as caught:
        call(fake_engine, "ping")
    assert caught.value.errno == 22


@pytest.mark.parametrize("answer", [b"not json", b"[1]", b'"ok"'])
def test_nonsense_counts_as_unavailable(fake_engine, answer):
    fake_engine.answers["ping"] = lambda request: answer

    with pytest.raises(EngineUnavailable, match="not JSON|not a JSON object"):
        call(fake_engine, "ping")


def test_absent_socket_is_unavailable(tmp_path):
    client = EngineClient(tmp_path / "engine.sock")

    with pytest.raises(EngineUnavailable, match="not running"):
        asyncio.run(client.call("ping"))


def test_silence_ends_at_the_time_limit(fake_engine):
    fake_engine.answers["ping"] = lambda request: None

    async def main():
        async with fake_engine.running():
            await EngineClient(fake_engine.path, timeout_sec=0.05).call("ping")

    with pytest.raises(EngineUnavailable, match="did not answer ping in 0.05 s"):
        asyncio.run(main())


def test_answer_that_is_cut_is_unavailable(tmp_path):
    path = tmp_path / "engine.sock"

    async def main():
        async def hang_up(reader, writer):
            await reader.readline()
            writer.write(b'{"ok": tr')
            writer.close()

        server = await asyncio.start_unix_server(hang_up, str(path))
        async with server:
            await EngineClient(path).call("ping")

    with pytest.raises(EngineUnavailable, match="closed the connection"):
        asyncio.run(main())


def test_restarted_engine_is_found_again(fake_engine):
    client = EngineClient(fake_engine.path)

    async def main():
        async with fake_engine.running():
            await client.call("ping")
        with pytest.raises(EngineUnavailable):
            await client.call("ping")
        async with fake_engine.running():
            return await client.call("ping")

    assert asyncio.run(main()) == {"generation": 0}
