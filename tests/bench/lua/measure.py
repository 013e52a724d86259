# SPDX-License-Identifier: Apache-2.0
"""Driver of bench_lua.py: one case, a line of JSON a pair.

usage: measure.py one|five HANDLER TRAFFIC PEER PAIRS

Every figure is of a run of the engine over a made-up capture, its thread's CPU time; what the same
run takes without a plugin is subtracted, but for `five`, which gives packets a second.
"""

import json
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lupa.luajit21 as luajit

from stellar.engine import Engine, PluginHandle
from stellar.engine.plugins import add_plugin

PACKETS = 128 << 10
BURST = 64
GAP_NS = 100
PAYLOAD = 18  # the least frame
BUILD = Path(__file__).resolve().parents[3] / "build" / "bench-native"

HANDLERS = {
    "empty": "",
    "counting": "session.context.packets = session.context.packets + 1",
    "saying": """
        session.context.packets = session.context.packets + 1
        if session.context.packets % 100 == 0 then session:log("info", "a hundred more") end
    """,
}
PLUGIN = """
return {{
    name = "{name}", version = "1", {context}
    on = {{ session_packet = function(session, packet, event) {body} end }},
}}
"""
# The naive way: the engine calls a callback of LuaJIT's FFI for each event.
CALLBACKS = {
    "empty": "return function(session, context) end",
    "counting": """
        local ffi = require("ffi")
        local pointer = ffi.typeof("struct { uint32_t packets; } *")
        return function(session, context)
            local counts = ffi.cast(pointer, context)
            counts.packets = counts.packets + 1
        end
    """,
}
CAST = """
local ffi = require("ffi")
return function(handler)
    local callback = ffi.cast("void (*)(void *, void *)", handler)
    return tonumber(ffi.cast("uintptr_t", callback)), callback
end
"""

Add = Callable[[Engine], object]
"""Adds what is measured to an engine; what it returns is kept until the run is over."""


def session_of(traffic: str, position: int) -> int:
    """Which session the packet at a position is of."""
    if traffic == "64 interleaved":
        return position % 64
    if traffic == "8 interleaved":
        return position % 8
    if traffic == "8 in runs of 8":
        return position // 8 % 8
    return 0  # one alone


def frame_of(session: int) -> bytes:
    """A datagram of a session."""
    length = 8 + PAYLOAD
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + length, 0, 0, 64, 17)
    addresses = bytes((10, 0, 0, 1, 10, 0, 0, 2))
    total = sum(struct.unpack(">9H", head + addresses))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    udp = struct.pack(">HHHH", 1024 + session, 53, length, 0)
    return (
        bytes(12)
        + b"\x08\0"
        + head
        + struct.pack(">H", checksum)
        + addresses
        + udp
        + bytes(PAYLOAD)
    )


def write_capture(path: Path, traffic: str) -> None:
    """A capture of PACKETS packets, GAP_NS apart."""
    frames = [frame_of(session) for session in range(64)]
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for position in range(PACKETS):
            frame = frames[session_of(traffic, position)]
            time_ns = position * GAP_NS
            seconds, rest = 1700000000 + time_ns // 10**9, time_ns % 10**9
            file.write(struct.pack("<IIII", seconds, rest, len(frame), len(frame)))
            file.write(frame)


def run(capture: Path, add: Add | None, burst: int = BURST) -> float:
    """CPU time of a run, ns a packet."""
    engine = Engine(burst_size=burst, session_capacity=1024, inline=True)
    kept = add(engine) if add is not None else None
    engine.add_tap(engine.add_interface("capture", f"pcap:{capture}"), None)
    engine.start()
    before = time.thread_time_ns()
    engine.run_worker(0)
    after = time.thread_time_ns()
    calls = sum(plugin["calls"] for plugin in engine.plugin_stats())
    del kept
    if add is not None and calls % PACKETS != 0:
        sys.exit(f"measure: {calls} calls for {PACKETS} packets")
    return (after - before) / PACKETS


def check_events(folder: Path, capture: Path, add: Add) -> None:
    """The event log of bursts is that of packets one by one, or there is nothing to measure."""
    logs = []
    for burst in (1, BURST):
        path = folder / f"events_{burst}.json"
        engine = Engine(burst_size=burst, session_capacity=1024, inline=True, hash_seed=(1, 0))
        kept = add(engine)
        engine.set_event_output(str(path), ["flow", "drop", "plugin"])
        engine.add_tap(engine.add_interface("capture", f"pcap:{capture}"), None)
        engine.start()
        engine.run_worker(0)
        engine.close()
        del kept
        logs.append(path.read_bytes())
    if logs[0] != logs[1] or b'"plugin"' not in logs[0]:
        sys.exit("measure: the event log depends on the size of bursts")


def ours(handler: str, folder: Path, count: int = 1) -> Add:
    """The Lua plugin, as `stellar --plugin` loads it."""
    context = "" if handler == "empty" else "context = { packets = 'uint32' },"
    paths = []
    for number in range(count):
        path = folder / f"plugin_{number}.lua"
        path.write_text(
            PLUGIN.format(name=f"lua_{number}", context=context, body=HANDLERS[handler])
        )
        paths.append(path)

    def add(engine: Engine) -> object:
        return [add_plugin(engine, path, workers=1) for path in paths]

    return add


def callback(handler: str) -> Add:
    """The same as a callback."""

    def add(engine: Engine) -> object:
        lua = luajit.LuaRuntime(unpack_returned_tuples=True)
        address, cdata = lua.execute(CAST)(lua.execute(CALLBACKS[handler]))
        plugin = PluginHandle(
            name="callback",
            version="1",
            events=("session_packet",),
            entries=[{"entry": int(address)}],
            context_size=4 if handler == "counting" else 0,
            owner=(lua, cdata),
        )
        engine.add_plugin(plugin)
        return plugin

    return add


def in_c(handler: str) -> Add:
    """The same in C."""
    path = next(BUILD.glob(f"tests/bench/lua/bench_lua_{handler}.so"))
    return lambda engine: add_plugin(engine, path, workers=1)


def main(kind: str, handler: str, traffic: str, peer: str, pairs: int) -> None:
    """Measure one case."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        capture = Path(folder) / "capture.pcap"
        write_capture(capture, traffic)
        check_events(Path(folder), capture, ours("saying", Path(folder), count=2))
        mine = ours(handler, Path(folder), count=5 if kind == "five" else 1)
        theirs = {"callback": callback(handler), "c": None, "none": None}[peer]
        if peer == "c":
            theirs = in_c(handler)
        for _ in range(pairs):
            none = run(capture, None)
            pair = {"ours": run(capture, mine), "theirs": run(capture, theirs) if theirs else none}
            none = (none + run(capture, None)) / 2
            if kind == "five":
                pair = {side: 1e9 / value for side, value in pair.items()}
            else:
                pair = {side: value - none for side, value in pair.items()}
            print(json.dumps(pair), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:5], pairs=int(sys.argv[5]))
