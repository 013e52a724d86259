# SPDX-License-Identifier: Apache-2.0
"""A path with Stellar in it, inline: what it drops does not arrive."""

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Self

from inspection import RECORDS, Call, compile_plugin, link_options, read_calls

_SOURCE = Path(__file__).parent / "wire.c"
_START_NS = 1_700_000_000_000_000_000
_STEP_NS = 1_000
_PACKET_MAX = 1 << 16
_NEAR, _FAR = 0, 1


class Wire:
    """The path. Use it in a `with` statement; `calls` is what its plugin got, once it is closed."""

    def __init__(self, into: Path, *, ttl_min: int) -> None:
        """`into`: a folder for files."""
        library = into / "wire.so"
        subprocess.run(["gcc", *link_options(), str(_SOURCE), "-o", str(library)], check=True)
        self._records = into / "wire.json"
        os.environ[RECORDS] = str(self._records)
        self._library = ctypes.CDLL(str(library))
        self._library.wire_open.restype = ctypes.c_void_p
        self._library.wire_open.argtypes = [ctypes.c_char_p, ctypes.c_uint64]
        self._library.wire_error.restype = ctypes.c_char_p
        self._library.wire_error.argtypes = [ctypes.c_void_p]
        self._library.wire_cross.argtypes = [
            ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64,
            ctypes.c_char_p,
        ]  # fmt: skip
        self._library.wire_close.restype = ctypes.c_int64
        self._library.wire_close.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64)]
        plugin = compile_plugin(into, ("tcp_data",))
        self._wire = self._library.wire_open(str(plugin).encode(), ttl_min)
        error = self._library.wire_error(self._wire).decode()
        if error:
            raise OSError(error)
        self._now_ns = _START_NS
        self._crossed = ctypes.create_string_buffer(_PACKET_MAX)
        self.dropped = 0
        self.imbalance = 0
        self.calls: list[Call] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        dropped = ctypes.c_uint64()
        self.imbalance = self._library.wire_close(self._wire, ctypes.byref(dropped))
        self.dropped = dropped.value
        self.calls = read_calls(self._records)

    def cross(self, packet: bytes, *, towards_host: bool) -> list[bytes]:
        """What comes out at the other end when a packet goes in."""
        self._now_ns += _STEP_NS
        side = _NEAR if towards_host else _FAR
        length = self._library.wire_cross(
            self._wire, side, packet, len(packet), self._now_ns, self._crossed
        )
        if length < 0:
            raise OSError(-length, os.strerror(-length))
        return [self._crossed.raw[:length]] if length > 0 else []
