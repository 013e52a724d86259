# SPDX-License-Identifier: Apache-2.0
"""Turns the steps of a scenario into frames: keeps count of sequence numbers, and of time."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from stellar.scenario.frame import (
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Frame,
    Network,
    build_datagrams,
    build_ethernet,
    build_icmp,
    build_tcp,
    build_udp,
)
from stellar.scenario.icmp import ECHO, ERROR_KINDS
from stellar.scenario.model import START_NS, Host, Scenario, Step, Verb

__all__ = ["build_frames"]

_T = TypeVar("_T")
_PROTOCOLS = {"tcp": TCP, "udp": UDP}
_SEQUENCES = (1000, 5000)
_WINDOW = 65535
# An EtherType for experiments (IEEE 802, 88B5), from nobody to nobody.
_PULSE = bytes(12) + b"\x88\xb5" + bytes(46)
_IPV6_QUOTE_MAX = 1280 - 40 - 8
_IPV4_QUOTE_PAYLOAD = 8


@dataclass(slots=True)
class _Session:
    """Where a session stands. Direction 0 is the originator's."""

    opened: Step
    hosts: tuple[Host, Host]
    protocol: int
    first: tuple[int, int]
    next: list[int]
    echo: int = 0
    last: list[bytes] = field(default_factory=lambda: [b"", b""])
    """The last IP packet of each direction, for ICMP errors to quote."""


def build_frames(scenario: Scenario) -> list[Frame]:
    """All frames, in order of time; the same bytes every time."""
    builder = _Builder(scenario)
    for step in scenario.steps:
        builder.take(step)
    return builder.frames


class _Builder:
    def __init__(self, scenario: Scenario) -> None:
        self._hosts = scenario.hosts
        self._spacing_ns = scenario.spacing_us * 1000
        self._now_ns = START_NS
        self._sessions: dict[str, _Session] = {}
        self._packet_id = 0
        self.frames: list[Frame] = []

    def take(self, step: Step) -> None:
        match step.verb:
            case Verb.WAIT_MS:
                self._now_ns += step.wait_ms * 1_000_000
            case Verb.PULSE:
                self._add(next(iter(self._hosts.values())), _PULSE)
            case Verb.FRAME:
                self._add(self._hosts[step.options["at"]], step.data)
            case Verb.OPEN | Verb.SESSION:
                self._open(step)
            case Verb.ERROR:
                self._error(step, self._sessions[step.session])
            case _:
                self._talk(step, self._sessions[step.session])

    def _open(self, step: Step) -> None:
        hosts = (self._hosts[step.host], self._hosts[step.peer])
        echo = ICMP if hosts[0].address.version == 4 else ICMPV6
        first = tuple(step.options.get("sequences", _SEQUENCES))
        session = _Session(
            opened=step,
            hosts=hosts,
            protocol=_PROTOCOLS.get(step.protocol, echo),
            first=(first[0], first[1]),
            next=list(first),
        )
        self._sessions[step.session] = session
        if step.verb == Verb.OPEN and session.protocol == TCP:
            for direction, flags in ((0, "S"), (1, "SA"), (0, "A")):
                self._segment(session, direction, flags, step)
        elif session.protocol == TCP:
            # The handshake is not shown: what follows begins behind it.
            session.next = [(each + 1) % 2**32 for each in first]

    def _talk(self, step: Step, session: _Session) -> None:
        direction = int(session.opened.host != step.host)
        match step.verb:
            case Verb.CLOSE:
                for each, flags in ((direction, "FA"), (1 - direction, "FA"), (direction, "A")):
                    self._segment(session, each, flags, step)
            case Verb.FINISH:
                self._segment(session, direction, "FA", step)
            case Verb.RESET:
                self._segment(session, direction, "RA", step)
            case Verb.ACKNOWLEDGE:
                self._segment(session, direction, "A", step)
            case Verb.SAY if session.protocol == TCP:
                self._segment(session, direction, "PA" if step.data else "A", step)
            case Verb.SAY if session.protocol == UDP:
                network = self._network(session, direction, step)
                ports = _turned(session.opened.ports, direction)
                self._send(session, direction, network, build_udp(network, ports, step.data), step)
            case Verb.SAY:
                self._echo(step, session, direction)

    def _segment(self, session: _Session, direction: int, flags: str, step: Step) -> None:
        flags = str(step.options.get("flags", flags))
        sequence = session.next[direction]
        if "offset" in step.options:
            sequence = session.first[direction] + 1 + step.options["offset"]
        sequence = step.options.get("seq", sequence) % 2**32
        acknowledgment = session.next[1 - direction] if "A" in flags else 0
        acknowledgment = step.options.get("ack", acknowledgment)
        network = self._network(session, direction, step)
        fields = (sequence, acknowledgment, flags, step.options.get("window", _WINDOW))
        ports = _turned(session.opened.ports, direction)
        built = build_tcp(network, ports, fields, step.data)
        after = (sequence + len(step.data) + ("S" in flags) + ("F" in flags)) % 2**32
        # What was sent before does not go back the count.
        if (after - session.next[direction]) % 2**32 < 2**31:
            session.next[direction] = after
        self._send(session, direction, network, built, step)

    def _echo(self, step: Step, session: _Session, direction: int) -> None:
        network = self._network(session, direction, step)
        session.echo += direction == 0
        rest = struct.pack(">HH", session.opened.ports[0], session.echo % 2**16)
        kind = ECHO[session.protocol][direction]
        self._send(session, direction, network, build_icmp(network, kind, 0, rest, step.data), step)

    def _error(self, step: Step, session: _Session) -> None:
        # A host of the session complains of its peer's packet, another of the originator's.
        direction = int(step.host == session.hosts[0].name)
        quoted, receiver = session.last[direction], session.hosts[direction]
        protocol = ICMP if receiver.address.version == 4 else ICMPV6
        kind, code = ERROR_KINDS[step.options["kind"]][protocol]
        length = 20 + _IPV4_QUOTE_PAYLOAD if protocol == ICMP else _IPV6_QUOTE_MAX
        sender = self._hosts[step.host]
        network = Network(
            sender.address, receiver.address, protocol, self._next_id(), step.options.get("ttl", 64)
        )
        message = build_icmp(network, kind, code, bytes(4), quoted[:length])
        for packet in build_datagrams(network, message):
            self._frame(sender, receiver, packet, session.opened)

    def _network(self, session: _Session, direction: int, step: Step) -> Network:
        sender, receiver = _turned(session.hosts, direction)
        ttl = step.options.get("ttl", session.opened.options.get("ttl", 64))
        return Network(sender.address, receiver.address, session.protocol, self._next_id(), ttl)

    def _send(
        self, session: _Session, direction: int, network: Network, payload: bytes, step: Step
    ) -> None:
        session.last[direction] = build_datagrams(network, payload)[0]
        pieces = build_datagrams(
            network, payload, piece_bytes=step.options.get("fragment_bytes", 0) // 8 * 8
        )
        order: Sequence[int] = step.options.get("fragment_order", range(len(pieces)))
        sender, receiver = _turned(session.hosts, direction)
        for place in order:
            if place < len(pieces):
                self._frame(sender, receiver, pieces[place], session.opened)

    def _frame(self, sender: Host, receiver: Host, packet: bytes, opened: Step) -> None:
        vlan = opened.options.get("vlan", 0)
        self._add(sender, build_ethernet(sender.mac, receiver.mac, packet, vlan=vlan))

    def _add(self, host: Host, data: bytes) -> None:
        self.frames.append(Frame(self._now_ns, host.interface, data))
        self._now_ns += self._spacing_ns

    def _next_id(self) -> int:
        self._packet_id += 1
        return self._packet_id


def _turned(pair: tuple[_T, _T], direction: int) -> tuple[_T, _T]:
    return (pair[1], pair[0]) if direction else pair
