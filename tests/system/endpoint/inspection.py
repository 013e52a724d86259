# SPDX-License-Identifier: Apache-2.0
"""What Stellar inspects of some packets: a plugin's calls, with the bytes it was shown."""

import json
import os
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stellar
from stellar.engine.replay import ReplayOptions, run

RECORDER = Path(__file__).parent / "recorder.c"
RECORDS = "STELLAR_TEST_RECORDS"
"""Environment variable that names the file recorder.c writes."""

_PACKAGE = Path(stellar.__file__).parent
_START_NS = 1_700_000_000_000_000_000
_STEP_NS = 1_000  # between two packets: thousands of cases fit in the shortest timeout
_PCAP_NANOSECONDS = 0xA1B23C4D
_LINKTYPE_RAW = 101


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the plugin. Ports as in the packet; of the session when there is none."""

    event: str
    session: int
    direction: int
    """0 forward, 1 reverse."""
    protocol: int
    source_port: int
    destination_port: int
    offset: int
    """Place in the stream (tcp_data, tcp_gap, tcp_overlap)."""
    length: int
    """Of the data; with tcp_gap bytes that are missing."""
    data: bytes
    """session_packet: the payload of the packet's transport header."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """All calls in order, and the figures of the run."""

    calls: list[Call]
    stats: dict[str, Any]


def inspect(
    packets: Sequence[bytes],
    into: Path,
    *,
    events: Sequence[str] = ("udp_data",),
    times_ns: Sequence[int] | None = None,
    **options: Any,
) -> Inspected:
    """Run IP packets, both directions in their order, through Stellar.

    `into`: a folder for files. `events`: what the plugin needs. `times_ns`: of each packet, from
    the start; a microsecond apart by default. `options`: more of ReplayOptions.
    """
    capture, records = into / "packets.pcap", into / "records.json"
    write_capture(capture, packets, times_ns)
    records.write_bytes(b"")
    os.environ[RECORDS] = str(records)
    result = run(
        ReplayOptions(captures=[capture], plugins=[compile_plugin(into, events)], **options)
    )
    assert result.problems == [] and result.imbalance == 0
    return Inspected(read_calls(records), result.stats)


def write_capture(
    path: Path, packets: Sequence[bytes], times_ns: Sequence[int] | None = None
) -> None:
    """Write a pcap file of raw IP packets."""
    times_ns = times_ns or range(0, len(packets) * _STEP_NS, _STEP_NS)
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", _PCAP_NANOSECONDS, 2, 4, 0, 0, 262144, _LINKTYPE_RAW))
        for time_ns, packet in zip(times_ns, packets, strict=True):
            seconds, rest_ns = divmod(_START_NS + time_ns, 1_000_000_000)
            file.write(struct.pack("<IIII", seconds, rest_ns, len(packet), len(packet)))
            file.write(packet)


def compile_plugin(into: Path, events: Sequence[str]) -> Path:
    """The recorder for these events."""
    plugin = into / f"{'-'.join(events)}.so"
    if plugin.exists():
        return plugin
    wanted = "|".join(f"STELLAR_EVENT_BIT(STELLAR_EVENT_{name.upper()})" for name in events)
    subprocess.run(
        ["gcc", *link_options(), f"-DEVENTS=({wanted})", "-fvisibility=hidden", str(RECORDER),
         "-o", str(plugin)],
        check=True,
    )  # fmt: skip
    return plugin


def link_options() -> list[str]:
    """For gcc: a shared object against the installed headers and library."""
    libraries = _PACKAGE / "_native"
    return [
        "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-shared",
        "-fPIC", f"-I{_PACKAGE / 'include'}", f"-L{libraries}", "-Wl,--no-as-needed", "-lstellar",
        f"-Wl,-rpath,{libraries}",
    ]  # fmt: skip


def read_calls(records: Path) -> list[Call]:
    """What a recorder wrote."""
    return [_call(line) for line in records.open()]


def _call(line: str) -> Call:
    values = json.loads(line)
    return Call(**{**values, "data": bytes.fromhex(values["data"])})
