# SPDX-License-Identifier: Apache-2.0
"""Frames as a capture file's bytes, and back."""

import struct
from collections.abc import Sequence

from stellar.scenario.frame import Frame

__all__ = ["build_pcap", "build_pcapng", "parse_pcap"]

_PCAP_NANOSECONDS = 0xA1B23C4D
_ETHERNET = 1
_LENGTH_MAX = 262144


def build_pcap(frames: Sequence[Frame], *, interface: str | None = None) -> bytes:
    """A pcap file with times in ns; `interface`: only what came there."""
    header = struct.pack("<IHHiIII", _PCAP_NANOSECONDS, 2, 4, 0, 0, _LENGTH_MAX, _ETHERNET)
    return header + b"".join(
        struct.pack("<IIII", *divmod(frame.time_ns, 10**9), len(frame.data), len(frame.data))
        + frame.data
        for frame in frames
        if interface in (None, frame.interface)
    )


def build_pcapng(frames: Sequence[Frame]) -> bytes:
    """A pcapng file that names the interface of each frame."""
    interfaces = list(dict.fromkeys(frame.interface for frame in frames))
    blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for name in interfaces:
        options = _option(2, name.encode()) + _option(9, b"\x09") + _option(0, b"")
        blocks.append(_block(1, struct.pack("<HHI", _ETHERNET, 0, _LENGTH_MAX) + options))
    for frame in frames:
        length = len(frame.data)
        fixed = struct.pack(
            "<IIIII", interfaces.index(frame.interface), frame.time_ns >> 32,
            frame.time_ns & 0xFFFFFFFF, length, length,
        )  # fmt: skip
        blocks.append(_block(6, fixed + frame.data))
    return b"".join(blocks)


def parse_pcap(data: bytes, *, interface: str = "") -> list[Frame]:
    """Frames of a pcap file that the engine wrote (ns, little endian); ValueError for others."""
    if len(data) < 24:
        # Nothing left: the engine writes the header with the first frame.
        return []
    if struct.unpack_from("<I", data)[0] != _PCAP_NANOSECONDS:
        raise ValueError("expected a pcap file with nanoseconds, found another one")
    frames, at = [], 24
    while at + 16 <= len(data):
        seconds, nanoseconds, length, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16 : at + 16 + length]
        if len(frame) < length:
            raise ValueError(f"expected {length} bytes of a frame, found {len(frame)}")
        frames.append(Frame(seconds * 10**9 + nanoseconds, interface, frame))
        at += 16 + length
    return frames


def _block(kind: int, body: bytes) -> bytes:
    padded = body + b"\0" * (-len(body) % 4)
    length = len(padded) + 12
    return struct.pack("<II", kind, length) + padded + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
