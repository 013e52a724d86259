# SPDX-License-Identifier: Apache-2.0
"""One plugin on two workers at once: a state each, counters summed, contexts of their own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import PcapWriter

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
        assert(calls > 0 and calls < 20000)
    end,
} }"""


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """Datagrams of as many hosts as sessions, in turns."""
    datagrams = [
        bytes(
            Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
            / IP(src=f"192.0.2.{1 + host}", dst="198.51.100.1")
            / UDP(sport=1000, dport=53)
        )
        for host in range(SESSIONS)
    ]
    path = tmp_path / "crowd.pcap"
    with PcapWriter(str(path), linktype=1) as writer:
        writer.write_header(None)
        for position in range(FRAMES):
            writer.write_packet(datagrams[position % SESSIONS], sec=1_700_000_000, usec=position)
    return path


def test_two_workers_run_one_plugin_at_once(tmp_path: Path, crowd: Path) -> None:
    path = tmp_path / "counting.lua"
    path.write_text(SOURCE)
    engine = Engine(workers=2, hash_seed=(1, 2))
    first_failure = add_plugin(engine, path, workers=2)
    engine.add_tap(engine.add_interface("capture", f"pcap:{crowd}"))
    engine.start()

    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(engine.run_worker, range(2)))

    counters = {name: value for _, name, value in engine.plugin_counters()}
    assert ended == [True, True]
    assert counters == {"seen": FRAMES, "closed": SESSIONS, "total": FRAMES}
    assert first_failure() is None
    engine.close()
