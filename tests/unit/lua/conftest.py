# SPDX-License-Identifier: Apache-2.0
"""Lua plugins from text, and an engine with one in it on a small capture."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import PcapWriter, wrpcap

from stellar.engine import Engine
from stellar.engine.plugins import LIBRARY, add_lua_plugin
from stellar.lua import LuaPlugin, load_plugin

CLIENT, SERVER = "192.0.2.10", "198.51.100.20"
DATAGRAMS = 40


@dataclass(frozen=True)
class Outcome:
    """What a run with one plugin left behind."""

    plugin: LuaPlugin
    stats: dict[str, Any]
    counters: dict[str, int]
    packets: dict[str, Any]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., LuaPlugin]:
    def load_text(source: str | bytes, **options: Any) -> LuaPlugin:
        path = tmp_path / "plugin.lua"
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        return load_plugin(path, library=LIBRARY, **{"workers": 1, **options})

    return load_text


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One TCP session of three segments, forty UDP sessions of one datagram, one ARP frame."""
    ethernet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    there, back = IP(src=CLIENT, dst=SERVER), IP(src=SERVER, dst=CLIENT)
    frames = [
        ethernet / there / TCP(sport=40000, dport=80, flags="S", seq=100),
        ethernet / back / TCP(sport=80, dport=40000, flags="SA", seq=500, ack=101),
        ethernet / there / TCP(sport=40000, dport=80, flags="A", seq=101, ack=501),
        *(ethernet / there / UDP(sport=1000 + i, dport=53) / b"question" for i in range(DATAGRAMS)),
        ethernet / ARP(psrc=CLIENT, pdst=SERVER),
    ]
    for position, frame in enumerate(frames):
        frame.time = 1_700_000_000 + position / 1000
    path = tmp_path_factory.mktemp("capture") / "input.pcap"
    wrpcap(str(path), frames)
    return path


@pytest.fixture(scope="session")
def long_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 UDP sessions in turns, 20000 datagrams: enough for LuaJIT to compile the handlers."""
    ethernet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    there = ethernet / IP(src=CLIENT, dst=SERVER)
    datagrams = [bytes(there / UDP(sport=1000 + i, dport=53) / b"question") for i in range(64)]
    path = tmp_path_factory.mktemp("capture") / "long.pcap"
    with PcapWriter(str(path), linktype=1) as writer:
        writer.write_header(None)
        for position in range(20000):
            writer.write_packet(datagrams[position % 64], sec=1_700_000_000, usec=position)
    return path


@pytest.fixture
def drive(load: Callable[..., LuaPlugin], capture: Path) -> Callable[..., Outcome]:
    def drive_text(source: str, *, through: Path = capture, **options: Any) -> Outcome:
        plugin = load(source, **options)
        engine = Engine(inline=True, hash_seed=(1, 2))
        add_lua_plugin(engine, plugin)
        engine.add_tap(engine.add_interface("capture", f"pcap:{through}"))
        engine.start()
        engine.run_worker(0)
        outcome = Outcome(
            plugin=plugin,
            stats=engine.plugin_stats()[0],
            counters={name: value for _, name, value in engine.plugin_counters()},
            packets=engine.packet_stats(),
        )
        engine.close()
        assert outcome.packets["imbalance"] == 0
        return outcome

    return drive_text
