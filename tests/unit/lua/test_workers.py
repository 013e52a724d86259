# SPDX-License-Identifier: Apache-2.0
"""One plugin on two workers at once: a state each, counters summed, contexts of their own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stellar.engine import Engine
from stellar.engine.plugins import add_plugin

FRAMES = 20000
SESSIONS = 64
SOURCE = """
local stats = require("stellar.stats")
local seen, closed, total = stats.counter("seen"), stats.counter("closed"), stats.counter("total")
local calls = 0 -- of this state
return { name = "counting", version = "1", context = { packets = "uint32" }, on = {
    session_packet = function(session)
        calls = calls + 1
        seen:add()
        session.context.packets = session.context.packets + 1
    end,
    session_closing = function(session)
        closed:add()
        total:add(session.context.packets)
        assert(calls == 20000)
    end,
} }"""


def test_two_workers_run_one_plugin_at_once(tmp_path: Path, long_capture: Path) -> None:
    path = tmp_path / "counting.lua"
    path.write_text(SOURCE)
    engine = Engine(workers=2)
    first_failure = add_plugin(engine, path, workers=2)
    for name in ("left", "right"):
        engine.add_tap(engine.add_interface(name, f"pcap:{long_capture}"))
    engine.start()

    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(engine.run_worker, range(2)))

    counters = {name: value for _, name, value in engine.plugin_counters()}
    assert ended == [True, True]
    assert counters == {"seen": 2 * FRAMES, "closed": 2 * SESSIONS, "total": 2 * FRAMES}
    assert first_failure() is None
    engine.close()
