# SPDX-License-Identifier: Apache-2.0
"""Cases of IP fragments: every way in which two or three of them can lie to each other, in every
order, and what else a sender can do wrong.

A datagram is made of units of 8 bytes; each piece fills its units with a value of its own, in such
a way that the datagram's checksum holds whichever piece a receiver takes a unit from.
"""

import ipaddress
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from host import ADDRESS, ADDRESS6, PEER, PEER6

UDP, ICMP, ICMPV6 = 17, 1, 58
PORT = 9000
UNITS = 5
"""Of a datagram: the first is its transport header."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Units [begin, end) with a value; `rest`: bytes beyond them."""

    begin: int
    end: int
    value: int
    last: bool = False
    rest: int = 0
    ecn: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """Fragments of one datagram, told apart from others by its IP id and its port."""

    what: str
    port: int
    packets: list[bytes]


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport(port: int, length: int, protocol: int, total: int) -> bytes:
    """A transport header with that checksum."""
    if protocol == UDP:
        return struct.pack(">HHHH", port, PORT, length, total)
    return struct.pack(">BBHHH", 8 if protocol == ICMP else 128, 0, total, port, 1)


def content(port: int, value: int, version: int, protocol: int, *, wrong: bool = False) -> bytes:
    """A datagram whose units all have that value."""
    body = b"".join(struct.pack(">HHHH", value, 0x7FFF - value, i, 0) for i in range(1, UNITS))
    length = 8 + len(body)
    source, destination = (PEER, ADDRESS) if version == 4 else (PEER6, ADDRESS6)
    pseudo = b"".join(ipaddress.ip_address(each).packed for each in (source, destination))
    pseudo += struct.pack(">II", length, protocol)
    summed = transport(port, length, protocol, 0) + body
    total = checksum(summed if protocol == ICMP else pseudo + summed)
    return transport(port, length, protocol, total ^ wrong) + body


def fragment(identifier: int, version: int, protocol: int, piece: Piece, data: bytes) -> bytes:
    """The IP packet of a piece."""
    if version == 4:
        head = struct.pack(
            ">BBHHHBBH4s4s", 0x45, piece.ecn, 20 + len(data), identifier,
            piece.begin | (0 if piece.last else 0x2000), 64, protocol, 0,
            ipaddress.ip_address(PEER).packed, ipaddress.ip_address(ADDRESS).packed,
        )  # fmt: skip
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + data
    return (
        struct.pack(
            ">IHBB16s16s", 6 << 28 | piece.ecn << 20, 8 + len(data), 44, 64,
            ipaddress.ip_address(PEER6).packed, ipaddress.ip_address(ADDRESS6).packed,
        )
        + struct.pack(">BBHI", protocol, 0, piece.begin * 8 | (not piece.last), identifier)
        + data
    )  # fmt: skip


def make_case(
    what: str,
    port: int,
    version: int,
    pieces: Sequence[Piece],
    *,
    protocol: int = UDP,
    wrong: bool = False,
) -> Case:
    """The packets of a case."""
    if protocol == ICMP and version == 6:
        protocol = ICMPV6
    packets = []
    for piece in pieces:
        whole = content(port, piece.value, version, protocol, wrong=wrong) + bytes(80000)
        data = whole[piece.begin * 8 : piece.end * 8 + piece.rest]
        packets.append(fragment(port, version, protocol, piece, data))
    return Case(f"{what} {list(pieces)}", port, packets)


def completed(pieces: Sequence[Piece], *, last_first: bool) -> list[Piece]:
    """The pieces, and what they leave of the datagram, with a value of its own."""
    covered = {unit for piece in pieces for unit in range(piece.begin, piece.end)}
    rest = [Piece(i, i + 1, 9) for i in range(UNITS - 1) if i not in covered]
    last = [Piece(UNITS - 1, UNITS, 9, last=True)]
    return [*last, *pieces, *rest] if last_first else [*pieces, *rest, *last]


def shapes() -> Iterator[tuple[str, list[Piece]]]:
    """Pairs and triples of pieces: all relations of intervals, all orders of arrival."""
    intervals = [(a, b) for a in range(UNITS - 1) for b in range(a + 1, UNITS)]
    for first, second in product(intervals, repeat=2):
        for values in ((1, 2), (1, 1)):
            pair = [Piece(*first, values[0]), Piece(*second, values[1])]
            yield "pair", completed(pair, last_first=False)
            yield "pair after the last", completed(pair, last_first=True)
    for first, second in product(intervals, repeat=2):
        yield "second ends it", [Piece(*first, 1), Piece(*second, 2, last=True), Piece(0, 4, 3)]
        yield "first ends it", [Piece(*first, 1, last=True), Piece(*second, 2), Piece(0, 4, 3)]
    for triple in product(intervals, repeat=3):
        pieces = [Piece(*each, i + 1) for i, each in enumerate(triple)]
        yield "triple", completed(pieces, last_first=False)
        yield "triple after the last", completed(pieces, last_first=True)


def specials() -> Iterator[tuple[str, list[Piece]]]:
    """What else can be wrong with fragments."""
    halves = [Piece(0, 2, 1), Piece(2, UNITS, 1, last=True)]
    yield "in order", halves
    yield "reverse", halves[::-1]
    yield "all twice", [halves[0], halves[0], halves[1], halves[1]]
    yield "id again at once", [*halves, Piece(0, 2, 2), Piece(2, UNITS, 2, last=True)]
    yield "id again, mixed", [halves[0], Piece(2, UNITS, 2, last=True), Piece(0, 2, 2), halves[1]]
    yield "empty middle", [Piece(0, 2, 1), Piece(2, 2, 1), halves[1]]
    yield "empty last", [Piece(0, UNITS, 1), Piece(UNITS, UNITS, 1, last=True)]
    yield "empty first", [Piece(0, 0, 1), *halves]
    yield "too far", [Piece(0, 2, 1), Piece(8190, 8192, 1, last=True), halves[1]]
    yield "too far, middle", [Piece(0, 2, 1), Piece(8190, 8193, 1), halves[1]]
    yield "too long", [Piece(0, 4000, 1), Piece(4000, 8000, 1), Piece(8000, 8191, 1, last=True)]
    for rest in (1, 4, 7):
        yield "misaligned", [Piece(0, 2, 1, rest=rest), halves[1]]
        yield "misaligned later", [Piece(2, 3, 1, rest=rest), Piece(0, 2, 1), Piece(3, 5, 1, True)]
        yield "misaligned alone", [Piece(0, 0, 1, rest=rest), *halves]
        yield "longer than it says", [Piece(0, 2, 1), Piece(2, UNITS, 1, last=True, rest=rest)]
    for ecns in product(range(4), repeat=2):
        yield (
            "ecn",
            [
                Piece(0, 2, 1, ecn=ecns[0]),
                Piece(2, UNITS, 1, last=True, ecn=ecns[1]),
            ],
        )
    for units in (3, 4):
        yield "shorter than it says", [Piece(0, 2, 1), Piece(2, units, 1, last=True)]


def all_cases(version: int, protocol: int) -> list[Case]:
    """Every case, each with an id and port of its own, from 1 on."""
    cases: list[Case] = []

    def add(what: str, pieces: Sequence[Piece], *, wrong: bool = False) -> None:
        case = make_case(what, len(cases) + 1, version, pieces, protocol=protocol, wrong=wrong)
        cases.append(case)

    for what, pieces in specials():
        add(what, pieces)
        add(f"{what}, wrong checksum", pieces, wrong=True)
    if protocol == UDP:
        for what, pieces in shapes():
            add(what, pieces)
    return cases
