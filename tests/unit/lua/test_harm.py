# SPDX-License-Identifier: Apache-2.0
"""Plugins that mean harm, beside one that means none, which sees what it sees without them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stellar.engine import Engine
from stellar.engine.plugins import add_lua_plugin
from stellar.lua import LuaPlugin
from tests.unit.lua.harm import SCRIPTS

Load = Callable[..., LuaPlugin]

MEMORY_BYTES = 4 << 20
VICTIM = """
local stats = require("stellar.stats")
local packets, bytes = stats.counter("packets"), stats.counter("bytes")
local closed = stats.counter("closed")
return { name = "victim", version = "1", context = { seen = "uint32" }, on = {
    session_packet = function(session, packet)
        session.context.seen = session.context.seen + 1
        packets:add(session.context.seen)
        bytes:add(packet:length())
        session:set_metadata("seen", session.context.seen)
    end,
    session_closing = function(session) closed:add(session.context.seen) end,
} }"""


def run(plugins: list[LuaPlugin], capture: Path) -> Engine:
    engine = Engine(inline=True, hash_seed=(1, 2))
    for plugin in plugins:
        add_lua_plugin(engine, plugin)
    engine.add_tap(engine.add_interface("capture", f"pcap:{capture}"))
    engine.start()
    engine.run_worker(0)
    return engine


def seen(engine: Engine) -> tuple[dict[str, Any], dict[str, int]]:
    """What the victim counted, and what was counted of it."""
    stats = next(row for row in engine.plugin_stats() if row["name"] == "victim")
    shown = {key: stats[key] for key in ("calls", "errors", "enabled", "context_bytes")}
    return shown, {name: n for plugin, name, n in engine.plugin_counters() if plugin == "victim"}


@pytest.mark.parametrize("is_compiled", [True, False], ids=["compiled", "interpreted"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_harm_stays_with_the_plugin_that_does_it(
    load: Load, capture: Path, script: str, is_compiled: bool
) -> None:
    alone = run([load(VICTIM)], capture)
    expected, forwarded = seen(alone), alone.packet_stats()["forwarded"]
    alone.close()

    hostile = load(SCRIPTS[script], memory_bytes=MEMORY_BYTES, is_compiled=is_compiled)
    engine = run([hostile, load(VICTIM, is_compiled=is_compiled)], capture)

    stats = next(row for row in engine.plugin_stats() if row["name"] == "hostile")
    escapes = [n for _, name, n in engine.plugin_counters() if name == "escapes"]
    try:
        assert seen(engine) == expected
        assert stats["errors"] > 0
        assert hostile.first_failure()
        assert escapes == [0]
        assert engine.packet_stats()["forwarded"] == forwarded
        assert engine.packet_stats()["imbalance"] == 0
    finally:
        engine.close()


def test_there_are_sixty_of_them() -> None:
    assert len(SCRIPTS) >= 60
