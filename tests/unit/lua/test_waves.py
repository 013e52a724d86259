# SPDX-License-Identifier: Apache-2.0
"""Waves can't be seen: bursts of one and of many, compiled and not, Lua and C give the same."""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stellar.lua.plugin
from stellar.engine import Engine
from stellar.engine.plugins import LIBRARY, add_lua_plugin, add_plugin, plugin_traces
from stellar.lua import load_plugin

EXAMPLES = LIBRARY.parents[1] / "plugins" / "examples"
PACKETS = 1500
SESSIONS = 12
WALL_CLOCK = ("timed_calls", "timed_ns")
IN_C = ("session_logger", "token_guard", "word_gate")

# What it does follows from the session and how often it was called for it, so it is the same
# whatever came together.
ACTOR = """
local stellar = require("stellar")
local packet_library = require("stellar.packet")
local sum = require("stellar.stats").counter("sum")
return {{
    name = "{name}", version = "1", fail = "{fail}", context = {{ calls = "uint32" }},
    on = {{ {event} = function(session, packet, event)
        local context = session.context
        context.calls = context.calls + 1
        local chance = (session:id() * 7919 + context.calls * 104729 + {seed} * 31) % 9973
        sum:add(chance % 7 + session:packets(0) + packet:length())
        local what = chance % {wildness}
        if what == 0 then
            session:log("info", "{name} " .. context.calls .. " " .. event:time_ms())
        elseif what == 1 then
            return stellar.DROP
        elseif what == 2 then
            session:hold{{ ms = 1 + chance % 3, outcome = chance % 2 == 0 and "pass" or "drop" }}
        elseif what == 3 then
            session:log("info", tostring(session:release("pass")))
        elseif what == 4 then
            session:set_metadata("shared", "{name}" .. chance)
        elseif what == 5 then
            session:log("debug", tostring(session:get_metadata("shared")))
        elseif what == 6 and chance % 5 == 0 then
            session:detach()
        elseif what == 7 then
            session:log("info", tostring(session:take_over()))
        elseif what == 8 then
            session:log("info", tostring(session:give_back()))
        elseif what == 9 and chance % 11 == 0 then
            error("fails")
        elseif what == 10 then
            session:log("info", tostring(session:lock()) .. tostring(session:unlock()))
        elseif what == 11 and chance % 3 == 0 then
            session:expect{{ protocol = packet_library.UDP, responder = session:responder(),
                timeout_ms = 5000 }}
        end
    end }},
}}
"""


def frame_of(session: int, payload: bytes) -> bytes:
    """A datagram of a session."""
    length = 8 + len(payload)
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + length, 0, 0, 64, 17)
    addresses = bytes((10, 0, 0, 1, 10, 0, 0, 2))
    total = sum(struct.unpack(">9H", head + addresses))
    total = (total & 0xFFFF) + (total >> 16)
    udp = struct.pack(">HHHH", 1024 + session, 53, length, 0)
    checksum = struct.pack(">H", ~total & 0xFFFF)
    return bytes(12) + b"\x08\0" + head + checksum + addresses + udp + payload


def write_capture(path: Path, chance: random.Random) -> None:
    """Packets close together, some of one session in a row, some with a gap before them."""
    time_us, session = 1_700_000_000_000_000, 0
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for _ in range(PACKETS):
            time_us += chance.choice((0, 0, 0, 1, 1, 3, 400, 2500))
            if chance.random() < 0.8:
                session = chance.randrange(SESSIONS)
            frame = frame_of(session, chance.randbytes(chance.randrange(30)))
            file.write(struct.pack("<II", *divmod(time_us, 1_000_000)))
            file.write(struct.pack("<II", len(frame), len(frame)) + frame)


def actors(seed: int, folder: Path, chance: random.Random) -> list[Path]:
    """Lua plugins, and for some seeds plugins in C among them."""
    paths = []
    for name in ("one", "two", "three")[: 1 + seed % 3]:
        paths.append(folder / f"{name}.lua")
        text = ACTOR.format(
            name=name,
            seed=chance.randrange(1000),
            wildness=chance.choice((13, 17, 60)),
            fail=chance.choice(("open", "closed")),
            event="udp_data" if chance.random() < 0.2 else "session_packet",
        )
        paths[-1].write_text(text)
    return paths + [EXAMPLES / f"{name}.so" for name in IN_C if chance.random() < 0.4]


def run(capture: Path, plugins: list[Path], folder: Path, burst: int) -> dict[str, Any]:
    """Everything that comes out of a run."""
    events, written = folder / "events.json", folder / "out.pcap"
    events.unlink(missing_ok=True)  # it is appended to
    engine = Engine(inline=True, hash_seed=(1, 2), burst_size=burst, session_capacity=64)
    for path in plugins:
        if path.suffix == ".lua":
            add_lua_plugin(engine, load_plugin(path, library=LIBRARY, workers=1))
        else:
            add_plugin(engine, path, workers=1)
    engine.set_event_output(str(events), ["flow", "drop", "anomaly", "plugin"])
    wire = engine.add_interface("in", f"pcap:{capture}")
    engine.add_tap(wire, engine.add_interface("out", f"pcap:{written}?write=1"))
    engine.start()
    engine.run_worker(0)
    figures = {
        "packets": engine.packet_stats(),
        "sessions": engine.session_stats(),
        "events": engine.event_counts(),
        "counters": engine.plugin_counters(),
        "plugins": [
            {name: value for name, value in plugin.items() if name not in WALL_CLOCK}
            for plugin in engine.plugin_stats()
        ],
    }
    engine.close()
    assert figures["packets"]["imbalance"] == 0
    return {**figures, "lines": events.read_bytes(), "frames": written.read_bytes()}


@pytest.mark.parametrize("seed", range(12))
def test_bursts_and_compiling_can_not_be_seen(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    capture = tmp_path / "in.pcap"
    write_capture(capture, chance)
    plugins = actors(seed, tmp_path, chance)

    alone = run(capture, plugins, tmp_path, 1)
    together = run(capture, plugins, tmp_path, 64)
    monkeypatch.setattr(stellar.lua.plugin, "COMPILES", False)
    interpreted = run(capture, plugins, tmp_path, 64)

    assert together == alone
    assert interpreted == alone
    assert b'"plugin"' in alone["lines"]


def test_what_luajit_gives_up_is_counted(
    load: Callable[..., Any], long_capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A function that is made in a loop is nothing LuaJIT compiles.
    body = "local f for i = 1, 5 do f = function() return i end end return f() > 9 and 1 or nil"
    text = (
        f'return {{ name = "p", version = "1", on = {{ session_packet = function() {body} end }} }}'
    )

    def trace(source: str) -> tuple[int, int]:
        engine = Engine(inline=True)
        add_lua_plugin(engine, load(source))
        engine.add_tap(engine.add_interface("in", f"pcap:{long_capture}"))
        engine.start()
        engine.run_worker(0)
        given_up, blacklisted = plugin_traces(engine)["p"].values()
        engine.close()
        return given_up, blacklisted

    given_up, blacklisted = trace(text)
    assert given_up > blacklisted > 0
    monkeypatch.setattr(stellar.lua.plugin, "COMPILES", False)
    assert trace(text) == (0, 0)
