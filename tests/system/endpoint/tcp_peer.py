# SPDX-License-Identifier: Apache-2.0
"""The far side of TCP sessions with a host: speaks raw segments, reads what the application got.

A case is a session of its own, from a port of its own. Everything that crosses goes over a path:
that of `Capture` writes it down, as a tap would see it; `tcp_wire.py` has one with Stellar in it.
"""

import array
import socket
import struct
from dataclasses import dataclass, field
from typing import Protocol

from host import ADDRESS, Host
from tcp_case import (
    ACK,
    EDGE,
    FINISH,
    RST,
    START,
    SYN,
    Case,
    Reads,
    Segment,
    Sends,
    Shuts,
    Step,
    letters,
)

PORT, PORT_FAST_OPEN = 9000, 9001
SETTINGS = {
    "ipv4/tcp_fastopen": "515",
    "ipv4/tcp_invalid_ratelimit": "0",
    "ipv4/ip_local_port_range": "1024 8999",
}
"""For the host: data in a SYN is taken without a cookie; each segment is answered; its own ports
are below those of all peers."""
HOPS = 1
"""Between the path and the host: a packet with that time to live does not arrive."""

FIRST_PORT, _PORTS = 10_000, 50_000
_CLOCK = 1_000_000  # the peer's timestamp at the handshake
_RECEIVE_MAX = 1 << 20
_HEADER = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")


class Between(Protocol):
    """What lies between the peer and the host."""

    def cross(self, packet: bytes, *, towards_host: bool) -> list[bytes]:
        """What comes out at the other end when a packet goes in."""


@dataclass(slots=True)
class Capture:
    """A path that keeps everything and changes nothing."""

    packets: list[bytes] = field(default_factory=list)

    def cross(self, packet: bytes, *, towards_host: bool) -> list[bytes]:
        self.packets.append(packet)
        return [packet]


@dataclass(slots=True)
class Outcome:
    """What became of a case."""

    case: Case
    peer: tuple[str, int]
    received: bytes
    """All that the host's application read."""
    ended: str
    """How its reading ended: open, end, reset, or none when it never had a session."""


@dataclass(slots=True)
class _Session:
    case: Case
    peer: tuple[str, int]
    host_port: int
    endpoint: socket.socket | None = None
    host_first: int = 0  # the host's initial sequence number
    acknowledged: int = 0  # by the host, last
    edge: int = 0  # right edge of the host's window, advertised last
    scale: int = 0  # the host's
    host_clock: int = 0  # the host's timestamp, last
    received: bytearray = field(default_factory=bytearray)
    reads: bool = True
    ended: str = "none"


class Peers:
    """Runs cases against a host, one after the other."""

    def __init__(self, host: Host, path: Between) -> None:
        self._host = host
        self._path = path
        self._count = 0
        self._listeners = {
            PORT: self._listen(PORT, fast_open=False),
            PORT_FAST_OPEN: self._listen(PORT_FAST_OPEN, fast_open=True),
        }
        self._address = socket.inet_aton(ADDRESS)

    def close(self) -> None:
        """Close the listeners, and let what the host sends last cross."""
        for listener in self._listeners.values():
            listener.close()
        self._collect(None)

    def run(self, case: Case) -> Outcome:
        """One case, from opening to a reset by the host."""
        host_port = PORT_FAST_OPEN if case.fast_open else PORT
        peer = f"192.0.2.{self._count // _PORTS + 1}", FIRST_PORT + self._count % _PORTS
        self._count += 1
        session = _Session(case, peer, host_port)
        if case.role == "client":
            self._open_from_host(session)
        elif case.receive_bytes:
            self._set_buffer(self._listeners[host_port], case.receive_bytes)
        if case.opened:
            self._shake_hands(session)
        for step in case.steps:
            self._take(session, step)
        if not session.reads:
            session.reads = True
            self._read(session)
        self._abort(session)
        return Outcome(case, peer, bytes(session.received), session.ended)

    def _listen(self, port: int, *, fast_open: bool) -> socket.socket:
        listener = self._host.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if fast_open:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 1024)
        listener.bind(("", port))
        listener.listen(1024)
        return listener

    def _set_buffer(self, endpoint: socket.socket, size: int) -> None:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def _open_from_host(self, session: _Session) -> None:
        opening = self._host.socket(socket.AF_INET, socket.SOCK_STREAM)
        if session.case.receive_bytes:
            self._set_buffer(opening, session.case.receive_bytes)
        opening.bind((ADDRESS, 0))
        session.host_port = opening.getsockname()[1]
        session.endpoint = opening
        session.ended = "open"
        opening.connect_ex(session.peer)
        self._collect(session)

    def _shake_hands(self, session: _Session) -> None:
        if session.case.role == "server":
            self._send(session, Segment(-1, flags=SYN))
            self._send(session, Segment())
        else:
            self._send(session, Segment(-1, flags=SYN | ACK))

    def _take(self, session: _Session, step: Step) -> None:
        match step:
            case Segment():
                self._send(session, step)
            case Sends(data):
                self._use(session, "send", data)
            case Shuts():
                self._use(session, "shutdown", socket.SHUT_WR)
            case Reads(enabled):
                session.reads = enabled
                self._read(session)
        self._collect(session)

    def _use(self, session: _Session, method: str, argument: object) -> None:
        try:
            if session.endpoint is not None:
                getattr(session.endpoint, method)(argument)
        except OSError:
            pass  # reset meanwhile

    def _abort(self, session: _Session) -> None:
        if session.endpoint is not None:
            session.endpoint.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            session.endpoint.close()
        self._collect(None)

    def _send(self, session: _Session, segment: Segment) -> None:
        packet = self._build(session, segment)
        for crossed in self._path.cross(packet, towards_host=True):
            if crossed[8] > HOPS:
                self._host.inject(crossed)
        self._collect(session)

    def _collect(self, session: _Session | None) -> None:
        """What the host sent, whosever it is, and what its application got."""
        for packet in self._host.answers():
            if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
                continue
            for crossed in self._path.cross(packet, towards_host=False):
                if session is not None:
                    self._learn(session, crossed)
        if session is not None:
            self._read(session)

    def _learn(self, session: _Session, packet: bytes) -> None:
        source, destination, seq, ack, size, flags, window, _, _ = _TCP.unpack_from(packet, 20)
        if destination != session.peer[1] or source != session.host_port or flags & RST:
            return
        options = packet[40 : 20 + (size >> 4) * 4]
        if flags & SYN:
            session.host_first = seq
            session.scale = _option(options, 3)[0] if _option(options, 3) else 0
        if times := _option(options, 8):
            session.host_clock = struct.unpack_from("!I", times)[0]
        if flags & ACK:
            scale = session.scale if not flags & SYN and session.case.scale is not None else 0
            session.acknowledged = ack
            session.edge = ack + (window << scale)

    def _read(self, session: _Session) -> None:
        if session.endpoint is None or session.ended in ("end", "reset"):
            self._accept(session)
        if session.endpoint is None or not session.reads or session.ended in ("end", "reset"):
            return
        try:
            while chunk := session.endpoint.recv(_RECEIVE_MAX):
                session.received += chunk
            session.ended = "end"
        except BlockingIOError:
            pass
        except OSError:
            session.ended = "reset" if session.received or session.ended != "none" else "none"

    def _accept(self, session: _Session) -> None:
        try:
            accepted, peer = self._listeners[session.host_port].accept()
        except (BlockingIOError, KeyError):
            return
        if peer != session.peer:
            accepted.close()
            return
        if session.endpoint is not None:
            session.endpoint.close()  # the ports are used again
        accepted.setblocking(False)
        session.endpoint = accepted
        session.ended = "open"

    def _build(self, session: _Session, segment: Segment) -> bytes:
        first = session.case.first + 1
        origin = {START: first, EDGE: session.edge, FINISH: session.acknowledged}[segment.origin]
        data = segment.data
        if segment.until is not None:
            start = segment.seq + len(data)
            data += letters(start, session.edge + segment.until - origin)
        options = segment.options + self._standard_options(session, segment)
        options += b"\1" * (-len(options) % 4)
        flags = segment.flags
        ack = (session.host_first + 1 + segment.ack) % (1 << 32) if flags & ACK else 0
        header = _TCP.pack(
            session.peer[1], session.host_port, (origin + segment.seq) % (1 << 32), ack,
            (5 + len(options) // 4) << 4, flags, segment.window, 0, segment.urgent,
        )  # fmt: skip
        body = header + options + data
        source = socket.inet_aton(session.peer[0])
        pseudo = source + self._address + struct.pack("!HH", socket.IPPROTO_TCP, len(body))
        checksum = _checksum(pseudo + body) ^ (0x5555 if segment.checksum_wrong else 0)
        body = body[:16] + struct.pack("!H", checksum) + body[18:]
        ip = _HEADER.pack(
            0x45, 0, 20 + len(body), 0, 0x4000, segment.ttl, socket.IPPROTO_TCP, 0, source,
            self._address,
        )  # fmt: skip
        return ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:] + body

    def _standard_options(self, session: _Session, segment: Segment) -> bytes:
        options = b""
        if segment.flags & SYN:
            options += b"\2\4" + struct.pack("!H", 1460)
            if session.case.scale is not None:
                options += b"\1\3\3" + bytes([session.case.scale])
        if session.case.timestamps and segment.time is not None:
            echo = session.host_clock if segment.flags & ACK else 0
            clock = (_CLOCK + segment.time) % (1 << 32)
            options += b"\1\1\10\12" + struct.pack("!II", clock, echo)
        return options


def _option(options: bytes, kind: int) -> bytes:
    """Content of an option, empty when it is not there."""
    at = 0
    while at + 1 < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == kind:
            return options[at + 2 : at + options[at + 1]]
        at += max(2, options[at + 1])
    return b""


def _checksum(content: bytes) -> int:
    """RFC 1071, of big-endian words."""
    words = array.array("H", content + b"\0" * (len(content) % 2))
    words.byteswap()
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
