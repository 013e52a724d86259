# SPDX-License-Identifier: Apache-2.0
"""The observer's end of a ring: `struct observer_ring` of `<stellar/observer.h>` as arrays."""

import mmap
import os

import numpy as np

__all__ = ["RECORD", "Ring"]

RECORD = np.dtype(
    [
        ("time_ns", "<u8"),
        ("session_id", "<u8"),
        ("parent_id", "<u8"),
        ("start_ns", "<u8"),
        ("last_ns", "<u8"),
        ("packets", "<u8", 2),
        ("bytes", "<u8", 2),
        ("originator", "u1", 16),
        ("responder", "u1", 16),
        ("originator_port", "<u2"),
        ("responder_port", "<u2"),
        ("ingress_id", "<u2"),
        ("egress_id", "<u2"),
        ("tag", "<u4"),
        ("generation", "<u4"),
        ("rule_id", "<u4"),
        ("data_length", "<u4"),
        ("worker_id", "<u2"),
        ("derived_id", "<u2"),
        ("event", "u1"),
        ("direction", "u1"),
        ("reason", "u1"),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("state", "u1"),
        ("tcp_state", "u1"),
        ("is_blocked", "u1"),
        ("data", "u1", 48),
        ("reserved", "u1", 4),
    ]
)
"""One event: `struct observer_record`, field by field."""

_MAGIC = b"STLROBS1"
_HEADER_BYTES = 192
_HEAD, _LOST, _ENDED, _TAIL = 64, 72, 80, 128


class Ring:
    """One worker's events for one observer. Reads from one thread."""

    def __init__(self, descriptor: int) -> None:
        """Map a ring; the descriptor is closed. Raises ValueError when it is none."""
        try:
            self._memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        magic, record_size, capacity = self._memory[:8], self._word(8, 4), self._word(12, 4)
        size = _HEADER_BYTES + capacity * RECORD.itemsize
        if magic != _MAGIC or record_size != RECORD.itemsize or len(self._memory) != size:
            raise ValueError("expected an observer's ring of this version")
        self._capacity = capacity
        self._records = np.frombuffer(self._memory, RECORD, capacity, _HEADER_BYTES)
        self._positions = np.frombuffer(self._memory, "<u8", _HEADER_BYTES // 8)
        self._tail = 0

    def _word(self, place: int, size: int) -> int:
        return int.from_bytes(self._memory[place : place + size], "little")

    def read(self) -> np.recarray:
        """What has come since the last call, oldest first; a copy, empty when nothing has."""
        # One aligned load; the records were written before it.
        head = int(self._positions[_HEAD // 8])
        first, count = self._tail % self._capacity, head - self._tail
        wrapped = max(0, first + count - self._capacity)
        parts = (self._records[first : first + count - wrapped], self._records[:wrapped])
        batch = np.concatenate(parts)
        self._tail = head
        self._positions[_TAIL // 8] = head
        return batch.view(np.recarray)

    @property
    def lost(self) -> int:
        """Events that found no room."""
        return int(self._positions[_LOST // 8])

    @property
    def has_ended(self) -> bool:
        """Nothing comes any more, but for what `read` still gives."""
        return self._word(_ENDED, 4) != 0
