# SPDX-License-Identifier: Apache-2.0
"""A TCP case: what the far side of a session sends, segment by segment, as plain values.

Numbers count from the first byte after the SYN of whoever sends them, so that a case says nothing
of initial sequence numbers, ports or addresses. `tcp_peer.py` gives it to a host.
"""

from dataclasses import dataclass, replace
from typing import Literal

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))

START, EDGE, FINISH = "start", "edge", "finish"
"""What a segment's number counts from: the first byte; the end of the window that the host
advertised last; what the host acknowledged last."""


def letters(start: int, end: int, mark: int = 0) -> bytes:
    """Bytes for these numbers: those of another mark differ everywhere, so do neighbours."""
    return bytes(0x20 + (mark * 0x30 + number * 7) % 0xC1 for number in range(start, end))


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the far side, the peer."""

    seq: int = 0
    """-1 is the SYN."""
    data: bytes = b""
    flags: int = ACK
    ack: int = 0
    """From the host's first byte after its SYN."""
    window: int = 65535
    urgent: int = 0
    time: int | None = 0
    """Timestamp, ticks after the handshake's; None: no option. Only with Case.timestamps."""
    ttl: int = 64
    checksum_wrong: bool = False
    options: bytes = b""
    origin: Literal["start", "edge", "finish"] = START
    until: int | None = None
    """The data goes on to here, counted from the edge of the host's window; `letters` past what
    `data` gives."""


@dataclass(frozen=True, slots=True)
class Sends:
    """The host's application sends."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Shuts:
    """The host's application has no more to send."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Whether the host's application reads what comes, which it does from the start."""

    enabled: bool


Step = Segment | Sends | Shuts | Reads


@dataclass(frozen=True, slots=True)
class Case:
    """What happens, and between whom."""

    name: str
    steps: tuple[Step, ...]
    role: Literal["server", "client"] = "server"
    """Of the host."""
    timestamps: bool = False
    first: int = 1_000_000
    """The peer's initial sequence number."""
    scale: int | None = None
    """The peer's window scale option."""
    opened: bool = True
    """The handshake comes before the steps; else they hold it."""
    fast_open: bool = False
    """The host's listener takes data in a SYN without a cookie (RFC 7413)."""
    receive_bytes: int = 0
    """The host's receive buffer, 0: the kernel's default."""

    def as_client(self) -> "Case":
        """The same with the host as the one that opens."""
        return replace(self, role="client", name=f"{self.name}, host opens")
