# SPDX-License-Identifier: Apache-2.0
"""The TCP cases: what an attacker can do to make an observer read other bytes than the receiver.

Overlaps are complete: every relation that two or three intervals can have (Allen 1983), in every
order of arrival. The rest is one family for each rule of RFC 9293, 5961, 7323 and 7413 that decides
whether a receiver takes a segment.
"""

from collections.abc import Iterator
from itertools import combinations, product

from tcp_case import (
    ACK,
    CWR,
    ECE,
    EDGE,
    FIN,
    FINISH,
    PSH,
    RST,
    SYN,
    URG,
    Case,
    Reads,
    Segment,
    Sends,
    Shuts,
    Step,
    letters,
)  # fmt: skip

UNIT = 3  # bytes between two points of a relation
SMALL = 2304  # a receive buffer: windows of some hundred bytes
HONEST = letters(0, 40)
"""What the host receives in each honest case."""


def honest() -> Iterator[Case]:
    """Segments reordered, repeated, cut anew and stamped as senders do it: nothing to refuse."""
    pieces = [piece(start, start + 10) for start in (0, 10, 20, 30)]
    again = (pieces[0], *pieces, piece(5, 25), pieces[3])
    for steps in (pieces, pieces[::-1], again, (piece(0, 40),), (piece(20, 40), piece(0, 30))):
        for stamped in (False, True):
            case = Case(f"honest, stamped: {stamped}", tuple(steps), timestamps=stamped)
            yield from (case, case.as_client())


def families() -> dict[str, list[Case]]:
    """Every case, with the host as server and as client where both make sense."""
    both = {
        "pairs": overlaps(2), "triples": overlaps(3), "finishes": finishes(),
        "windows": windows(), "acknowledgments": acknowledgments(), "flags": flags(),
        "resets": resets(), "timestamps": timestamps(), "urgents": urgents(),
        "retransmissions": retransmissions(), "losses": losses(), "closings": closings(),
    }  # fmt: skip
    made = {name: list(cases) for name, cases in both.items()}
    made = {name: [*cases, *map(Case.as_client, cases)] for name, cases in made.items()}
    return {**made, "openings": list(openings()), "answers": list(answers())}


def relations(count: int) -> list[tuple[tuple[int, int], ...]]:
    """Every way `count` intervals can lie to each other, in every order: 13 pairs, 409 triples."""
    intervals = list(combinations(range(2 * count), 2))
    found = {}
    for chosen in product(intervals, repeat=count):
        points = sorted({point for interval in chosen for point in interval})
        found[tuple((points.index(start), points.index(end)) for start, end in chosen)] = None
    return list(found)


def piece(start: int, end: int, mark: int = 0, **fields: int) -> Segment:
    """A segment with the bytes of its mark."""
    return Segment(start, letters(start, end, mark), **fields)


def overlaps(count: int) -> Iterator[Case]:
    """Pieces in every relation: held before a gap that closes last, or with none before them."""
    for number, relation in enumerate(relations(count)):
        end = UNIT * max(point for interval in relation for point in interval)
        for gap, filled in ((UNIT, UNIT), (UNIT, 2 * UNIT), (UNIT, UNIT + end), (0, 0)):
            pieces = [
                piece(gap + UNIT * left, gap + UNIT * right, mark + 1)
                for mark, (left, right) in enumerate(relation)
            ]
            name = f"{count} pieces, relation {number}, gap of {gap} closed up to {filled}"
            first = 2**32 - 4 - number % 20 if number % 4 == 0 else 1_000_000
            yield Case(
                name, (*pieces, piece(0, filled), piece(gap + end, gap + end + 2)), first=first
            )


def finishes() -> Iterator[Case]:
    """Two pieces in every relation, one of them or both with a FIN, and data behind it."""
    for number, relation in enumerate(relations(2)):
        for gap, marks in product((0, UNIT), ((FIN, 0), (0, FIN), (FIN, FIN))):
            pieces = [
                piece(gap + UNIT * left, gap + UNIT * right, mark + 1, flags=ACK | marks[mark])
                for mark, (left, right) in enumerate(relation)
            ]
            name = f"FIN, relation {number}, gap {gap}, on {marks}"
            yield Case(name, (*pieces, piece(0, gap), piece(gap, 4 * UNIT, 3)))


def windows() -> Iterator[Case]:
    """In, at, across and beyond both edges of the window."""
    behind = piece(0, 10)
    for seq, length in product((-1000, -20, -11, -10, -9, -1), (0, 1, 8, 9, 10, 11, 12, 25)):
        data = letters(seq, seq + length, 1)
        again = Segment(seq, data, origin=FINISH)
        name = f"{length} bytes {seq} before what is expected"
        yield Case(f"{name}", (behind, again, piece(10, 12)))
    for seq, length in product(
        (-3, -1, 0, 1, 3, 1000, 1 << 20, (1 << 31) - 5), (0, 1, 2, 3, 4, 10)
    ):
        beyond = Segment(seq, letters(seq, seq + length, 1), origin=EDGE)
        name = f"{length} bytes {seq} from the edge of the window"
        for until, reads in ((0, True), (-1, True), (0, False)):
            steps = (Reads(reads), beyond, Segment(0, until=until), Reads(True), piece(0, 4))
            yield Case(f"{name}, filled to {until}, reads: {reads}", steps, receive_bytes=SMALL)
        steps = (behind, beyond, Segment(10, until=5), Segment(0, b"x" * 5, origin=FINISH))
        yield Case(f"{name}, then across it", steps, receive_bytes=SMALL)
    for until in (-1, 0, 1, 2, 100):
        steps = (Segment(0, until=until), Segment(0, b"next", origin=FINISH))
        yield Case(f"from the start to {until} of the edge", steps, receive_bytes=SMALL)
        steps = (behind, Reads(False), *steps, Reads(True), Segment(0, b"more", origin=FINISH))
        yield Case(f"{until} of the edge, not read", steps, receive_bytes=SMALL)
    for probe in probes():
        steps = (
            Reads(False), Segment(0, until=0), probe, Reads(True),
            Segment(0, b"after", origin=FINISH),
        )  # fmt: skip
        yield Case(f"window closed, then {probe}", steps, receive_bytes=SMALL)
        yield Case(f"window open, then {probe}", (behind, probe, piece(10, 14)))


def probes() -> Iterator[Segment]:
    """Keep-alives and zero-window probes, RFC 9293 3.8.4 and 3.8.6.1."""
    for seq, data in product((-2, -1, 0, 1), (b"", b"?", b"??")):
        for marks in (ACK, ACK | FIN):
            yield Segment(seq, data, origin=FINISH, flags=marks)


def acknowledgments() -> Iterator[Case]:
    """Data with an acknowledgment that is old, of what was never sent, or absent."""
    for ack in (
        -(1 << 31) + 5,
        -100_000,
        -70_000,
        -1000,
        -11,
        -2,
        -1,
        0,
        1,
        5,
        9,
        10,
        11,
        12,
        100_000,
    ):
        for sent in (b"", b"0123456789"):
            steps: tuple[Step, ...] = (Sends(sent), piece(0, 4), piece(4, 8, 1, ack=ack))
            ends = (piece(4, 12, 2, ack=len(sent)), piece(12, 14, 0, ack=len(sent)))
            name = f"acknowledges {ack} of {len(sent)}"
            yield Case(name, (*steps, *ends))
            yield Case(
                f"{name}, out of order", (Sends(sent), piece(4, 8, 1, ack=ack), piece(0, 5), *ends)
            )
            acked = Segment(0, ack=len(sent))
            yield Case(f"{name}, acknowledged before", (Sends(sent), acked, *steps[1:], *ends))
    for marks in (0, PSH, URG, FIN, PSH | URG | FIN, ECE, CWR):
        name = f"no ACK, flags {marks:#x}"
        yield Case(name, (piece(0, 4), piece(4, 8, 1, flags=marks), piece(4, 9, 2), piece(9, 12)))


def flags() -> Iterator[Case]:
    """Every combination of flags on data in order, and on data out of order."""
    for marks in range(256):
        middle = piece(4, 8, 1, flags=marks)
        yield Case(
            f"flags {marks:#x} in order", (piece(0, 4), middle, piece(8, 12), piece(4, 8, 2))
        )
        if marks % 4 == 0 or marks < 64:
            steps = (middle, piece(0, 4), piece(6, 12, 2), piece(4, 12, 3))
            yield Case(f"flags {marks:#x} out of order", steps)


def resets() -> Iterator[Case]:
    """RST and SYN in the window and out of it, RFC 5961, before data that only the living take."""
    places = (-(1 << 30), -5, -4, -1, 0, 1, 3, 100, 30_000, 1 << 20)
    for marks in (RST, RST | ACK, SYN, SYN | ACK, SYN | RST, SYN | FIN, SYN | FIN | ACK):
        for seq, data in product(places, (b"", b"payload")):
            attack = Segment(seq, data, flags=marks, origin=FINISH)
            name = f"flags {marks:#x} at {seq} with {len(data)} bytes"
            yield Case(name, (piece(0, 4), attack, piece(4, 8, 1)))
            yield Case(
                f"{name} before a gap", (piece(0, 4), piece(6, 9, 1), attack, piece(4, 8, 2))
            )
            finish = piece(4, 6, flags=ACK | FIN)
            yield Case(f"{name} after FIN", (piece(0, 4), finish, attack, piece(6, 8, 2)))
            steps = (piece(0, 4), Shuts(), attack, piece(4, 8, 2))
            yield Case(f"{name} after the host's FIN", steps)
            yield Case(f"{name} with another ack", (
                piece(0, 4), Segment(seq, data, marks, ack=77, origin=FINISH), piece(4, 8, 1),
            ))  # fmt: skip


def timestamps() -> Iterator[Case]:
    """PAWS, RFC 7323 5."""
    ages = (-(1 << 31), -(1 << 31) + 1, -1000, -2, -1, 0, 1, 2, 1000, (1 << 31) - 1, None)
    for age, later in product(ages, (0, 5, 2000)):
        name = f"timestamp {age} after {later}"
        new = piece(0, 4, time=later)
        old = Segment(4, letters(4, 8, 1), time=None if age is None else later + age)
        last = Segment(4, letters(4, 12, 2), time=later)
        yield Case(name, (new, old, last), timestamps=True)
        held = Segment(6, letters(6, 9, 1), time=old.time)
        yield Case(f"{name}, out of order", (new, held, last), timestamps=True)
        ahead = Segment(6, letters(6, 9, 1), time=later + 500)
        yield Case(f"{name}, with a newer one held", (new, ahead, old, last), timestamps=True)
        pure = Segment(4, time=later + 500)
        yield Case(f"{name}, behind a newer ACK", (new, pure, old, last), timestamps=True)
        beyond = Segment(1 << 20, b"x", time=later + 500)
        yield Case(f"{name}, behind one out of window", (new, beyond, old, last), timestamps=True)
        again = Segment(0, letters(0, 4), time=later + 500)
        yield Case(f"{name}, behind a newer old segment", (new, again, old, last), timestamps=True)
        finish = Segment(4, letters(4, 6, 1), ACK | FIN, time=old.time)
        yield Case(f"{name}, on a FIN", (new, finish, last), timestamps=True)
        reset = Segment(4, b"", RST, time=old.time)
        yield Case(f"{name}, on a RST", (new, reset, last), timestamps=True)
        yield Case(f"{name}, not asked for", (new, old, last))
    options = b"\1\1\10\12" + b"\0" * 8
    for order in ((4, 0), (0, 4)):
        steps = tuple(piece(at, at + 4, at, options=options) for at in order)
        yield Case(f"timestamps never agreed on, {order}", (*steps, piece(8, 9)))


def urgents() -> Iterator[Case]:
    """Urgent pointers, RFC 9293 3.8.5 and RFC 6093, before, in and beyond their segment."""
    for pointer in (0, 1, 2, 3, 4, 5, 9, 100, 65535):
        urgent = piece(4, 8, 1, flags=ACK | URG, urgent=pointer)
        name = f"urgent pointer {pointer}"
        yield Case(name, (piece(0, 4), urgent, piece(8, 14)))
        yield Case(f"{name}, out of order", (urgent, piece(0, 4), piece(8, 14)))
        yield Case(f"{name}, out of order twice", (piece(8, 14), urgent, piece(0, 4)))
        yield Case(f"{name}, without data", (
            Segment(0, flags=ACK | URG, urgent=pointer), piece(0, 4), piece(4, 14),
        ))  # fmt: skip
        yield Case(f"{name}, no flag", (Segment(0, letters(0, 9), urgent=pointer), piece(9, 14)))
        yield Case(f"{name}, again", (piece(0, 4), urgent, urgent, piece(6, 14, 2)))
        yield Case(f"{name}, old", (piece(0, 8), urgent, piece(8, 14)))
        for second in (1, 3, 5, 8):
            other = piece(8, 12, 2, flags=ACK | URG, urgent=second)
            yield Case(f"{name} and {second}", (piece(0, 4), urgent, other, piece(12, 20)))
            yield Case(f"{name} and {second}, swapped", (other, urgent, piece(0, 4), piece(12, 20)))
        finish = piece(4, 8, 1, flags=ACK | URG | FIN, urgent=pointer)
        yield Case(f"{name}, with FIN", (piece(0, 4), finish))
        yield Case(f"{name}, before a window", (urgent, piece(0, 20, 2), piece(20, 30)))


def retransmissions() -> Iterator[Case]:
    """Other bytes for what was acknowledged, alone and with new ones behind them."""
    for end, marks in product((4, 8, 12), (ACK, ACK | PSH, ACK | FIN)):
        steps = (piece(0, 8), piece(0, end, 1, flags=marks), piece(8, 16, 2))
        yield Case(f"other bytes up to {end}, flags {marks:#x}", steps)
        yield Case(f"other bytes up to {end}, flags {marks:#x}, held", (piece(4, 8, 3), *steps))
    for start in range(9):
        yield Case(f"other bytes from {start}", (piece(0, 8), piece(start, 12, 1), piece(12, 14)))


def losses() -> Iterator[Case]:
    """Segments that do not reach the receiver, or that it drops unread."""
    for field, value in (("checksum_wrong", True), ("ttl", 1)):
        for marks in (ACK, ACK | FIN, RST, SYN):
            lost = Segment(4, letters(4, 8, 1), marks, **{field: value})
            name = f"{field} on flags {marks:#x}"
            yield Case(name, (piece(0, 4), lost, piece(4, 10, 2)))
            yield Case(f"{name}, first", (lost, piece(0, 4), piece(4, 10, 2)))


def closings() -> Iterator[Case]:
    """Data around FINs of both sides, and simultaneous closing."""
    finish = Segment(4, flags=ACK | FIN)
    for data in (piece(4, 8, 1), piece(5, 8, 1), piece(2, 8, 1), piece(8, 10, 1), piece(0, 4, 1)):
        place = f"{data.seq} to {data.seq + len(data.data)}"
        yield Case(f"after FIN {place}", (piece(0, 4), finish, data))
        yield Case(f"after FIN, other ack {place}", (piece(0, 4), finish, Shuts(), data))
        yield Case(
            f"host finished first {place}", (piece(0, 4), Shuts(), data, Segment(0, ack=1), data)
        )
        steps = (piece(0, 4), Shuts(), Segment(4, flags=ACK | FIN, ack=1), data)
        yield Case(f"both finished {place}", steps)
        steps = (piece(0, 4), Shuts(), Segment(4, flags=ACK | FIN, ack=0), Segment(5, ack=1), data)
        yield Case(f"closed together {place}", steps)
        yield Case(f"FIN before its data {place}", (finish, data, piece(0, 4), piece(4, 8)))
        yield Case(f"two FINs {place}", (
            Segment(8, flags=ACK | FIN), finish, data, piece(0, 4), piece(4, 8),
        ))  # fmt: skip


def openings() -> Iterator[Case]:
    """The handshake of a host that is opened to, RFC 9293 3.5 and RFC 7413."""
    syn = Segment(-1, flags=SYN)
    last = (piece(0, 4), piece(4, 8))
    for data, fast in product((b"", b"early"), (False, True)):
        begin = Segment(-1, data, SYN)
        name = f"{len(data)} bytes in SYN, fast open: {fast}"
        for again in (b"", b"other", b"others"):
            middle = (begin, Segment(-1, again, SYN))
            yield Case(f"{name}, then {again!r}", (*middle, *last), opened=False, fast_open=fast)
        yield Case(name, (begin, *last, piece(5, 9, 2)), opened=False, fast_open=fast)
        yield Case(
            f"{name}, behind it", (begin, piece(5, 9), piece(0, 7, 1)), opened=False, fast_open=fast
        )
        yield Case(
            f"{name}, FIN", (Segment(-1, data, SYN | FIN), *last), opened=False, fast_open=fast
        )
        yield Case(
            f"{name}, ECN",
            (Segment(-1, data, SYN | ECE | CWR), *last),
            opened=False,
            fast_open=fast,
        )
        yield Case(
            f"{name}, URG",
            (Segment(-1, data, SYN | URG, urgent=2), *last),
            opened=False,
            fast_open=fast,
        )
        yield Case(
            f"{name}, RST", (begin, Segment(0, flags=RST), *last), opened=False, fast_open=fast
        )
    for other in (-1000, -2, 1, 1000, 1 << 20, 1 << 30):
        moved = Segment(other - 1, flags=SYN)
        for steps in ((syn, moved, *last), (moved, syn, *last), (syn, moved, syn, *last)):
            yield Case(f"SYN moved by {other}: {len(steps)} {steps[0].seq}", steps, opened=False)
        new = tuple(Segment(other + step.seq, letters(step.seq, step.seq + 4, 2)) for step in last)
        yield Case(f"SYN moved by {other}, gone on with", (syn, moved, *new), opened=False)
        yield Case(
            f"SYN moved by {other}, sent again", (syn, moved, moved, *new, *last), opened=False
        )
    for marks in (0, PSH, FIN, RST, SYN | ACK, SYN | RST):
        for ack in (-1, 0, 1):
            steps = (syn, Segment(0, b"data", marks, ack=ack), *last)
            yield Case(f"flags {marks:#x} for the ACK, ack {ack}", steps, opened=False)
    for ack, marks in product((-1, 1, 77), (ACK, ACK | FIN)):
        steps = (syn, Segment(0, b"data", marks, ack=ack), *last)
        yield Case(f"acknowledges {ack} of the SYN-ACK, flags {marks:#x}", steps, opened=False)
    yield Case("data with the last ACK", (syn, piece(0, 4), piece(4, 8)), opened=False)
    yield Case("data before the last ACK", (syn, piece(4, 8), piece(0, 4)), opened=False)
    yield Case(
        "FIN with the last ACK", (syn, piece(0, 4, flags=ACK | FIN), piece(4, 8)), opened=False
    )
    yield Case("no SYN", last, opened=False)
    for scale in (0, 7, 14, 15, 255):
        yield Case(f"window scale {scale}", (syn, *last), opened=False, scale=scale)


def answers() -> Iterator[Case]:
    """The handshake of a host that opens."""
    last = (piece(0, 4), piece(4, 8))
    good = Segment(-1, flags=SYN | ACK)
    firsts: dict[str, tuple[Step, ...]] = {
        "data in SYN-ACK": (Segment(-1, b"early", SYN | ACK),),
        "SYN-ACK with FIN": (Segment(-1, b"", SYN | ACK | FIN), good),
        "SYN-ACK twice": (good, good),
        "SYN-ACK moved": (good, Segment(999, flags=SYN | ACK)),
        "SYN-ACK moved back": (Segment(999, flags=SYN | ACK), good),
        "wrong ack first": (Segment(-1, flags=SYN | ACK, ack=5), good),
        "old ack first": (Segment(-1, flags=SYN | ACK, ack=-1), good),
        "RST without ACK": (Segment(-1, flags=RST), good),
        "RST with wrong ack": (Segment(-1, flags=RST | ACK, ack=5), good),
        "RST with old ack": (Segment(-1, flags=RST | ACK, ack=-1), good),
        "RST": (Segment(-1, flags=RST | ACK), good),
        "ACK alone": (Segment(-1, b"data", ACK), good),
        "data first": (piece(0, 4, 1), good),
        "simultaneous": (Segment(-1, flags=SYN), good),
        "simultaneous, ACK": (Segment(-1, flags=SYN), Segment(0)),
        "simultaneous, data": (Segment(-1, flags=SYN), piece(0, 4, 1)),
        "simultaneous, data in SYN": (Segment(-1, b"early", SYN), good),
        "simultaneous, moved": (Segment(-1, flags=SYN), Segment(99, flags=SYN), good),
        "ECN": (Segment(-1, flags=SYN | ACK | ECE),),
        "urgent": (Segment(-1, b"", SYN | ACK | URG, urgent=3),),
    }
    for name, steps in firsts.items():
        for stamped in (False, True):
            case = Case(f"{name}, stamped: {stamped}", (*steps, *last), "client", stamped)
            yield Case(case.name, case.steps, case.role, case.timestamps, opened=False)
