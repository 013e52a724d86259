# SPDX-License-Identifier: Apache-2.0
"""Any sequence of calls: the session table against a dictionary, timers against a sorted list,
reassembly against a map of bytes. The C side is driver.c, built by `make build`."""

import ctypes
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

ROOT = Path(__file__).parents[3]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))
CAPACITY = 40
KEYS = 96  # more than fit
UDP_OPENING_MS = 30_000
FIRED_MAX = 4096
STREAM_BYTES = 400
NO_SPACE = -28
BUSY = -17  # EEXIST


class Firing(ctypes.Structure):
    """struct firing of driver.c."""

    _fields_ = (
        ("id", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("due_ms", ctypes.c_uint64),
    )


def load_driver() -> ctypes.CDLL:
    library = ctypes.CDLL(str(BUILD / "tests" / "native" / "session" / "libsession_driver.so"))
    pointer, u8, u32, u64 = ctypes.c_void_p, ctypes.c_uint8, ctypes.c_uint32, ctypes.c_uint64
    u32_out, u64_out = ctypes.POINTER(u32), ctypes.POINTER(u64)
    fired = ctypes.POINTER(Firing)
    signatures: dict[str, tuple[object, list[object]]] = {
        "table_create": (pointer, [u64, u64]),
        "table_destroy": (None, [pointer]),
        "table_insert": (ctypes.c_int, [pointer, u32, ctypes.c_int, u32_out]),
        "table_lookup": (u32, [pointer, u32, ctypes.c_int, u32_out, u64_out]),
        "table_remove": (None, [pointer, u32]),
        "table_add_alias": (ctypes.c_int, [pointer, u32, u32]),
        "table_next": (u32, [pointer, u32]),
        "table_count": (u32, [pointer]),
        "table_touch": (None, [pointer, u32, u64]),
        "table_advance": (u32, [pointer, u64, fired]),
        "wheel_create": (pointer, [u32, u64, u64]),
        "wheel_destroy": (None, [pointer]),
        "wheel_insert": (None, [pointer, u32, u64]),
        "wheel_postpone": (None, [pointer, u32, u64]),
        "wheel_remove": (None, [pointer, u32]),
        "wheel_advance": (u32, [pointer, u64, fired]),
        "stream_create": (pointer, [u32, u8, u64, u64]),
        "stream_destroy": (None, [pointer]),
        "stream_insert": (
            ctypes.c_int,
            [pointer, u32, ctypes.c_char_p, u32, ctypes.c_char_p, u32_out],
        ),
        "stream_skip_to": (u64, [pointer, u64, ctypes.c_char_p, u32_out]),
        "stream_held_bytes": (u32, [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"driver_{name}")
        function.restype, function.argtypes = result, arguments
    return library


@pytest.fixture(scope="module")
def driver() -> ctypes.CDLL:
    return load_driver()


class TableBesideDictionary(RuleBasedStateMachine):
    """The table, and what it must hold: key number -> (index, id, originator side, last seen)."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = load_driver()
        # Eight bits of the hash: buckets overflow and keys collide.
        self.table = self.driver.driver_table_create(CAPACITY, 0xFF)
        self.sessions: dict[int, list[int]] = {}
        self.aliases: dict[int, int] = {}
        self.seen_ids: set[int] = set()
        self.now_ms = 0

    def teardown(self) -> None:
        self.driver.driver_table_destroy(self.table)

    def look_up(self, number: int, is_reversed: bool) -> tuple[int, int, int]:
        direction, session_id = ctypes.c_uint32(), ctypes.c_uint64()
        index = self.driver.driver_table_lookup(
            self.table, number, is_reversed, ctypes.byref(direction), ctypes.byref(session_id)
        )
        return index, direction.value, session_id.value

    def forget(self, number: int) -> None:
        del self.sessions[number]
        for alias in [key for key, owner in self.aliases.items() if owner == number]:
            del self.aliases[alias]

    @rule(number=st.integers(0, KEYS - 1), is_reversed=st.booleans())
    def insert(self, number: int, is_reversed: bool) -> None:
        if number in self.sessions or number in self.aliases:
            return
        index = ctypes.c_uint32()
        result = self.driver.driver_table_insert(
            self.table, number, is_reversed, ctypes.byref(index)
        )
        if len(self.sessions) == CAPACITY:
            assert result == NO_SPACE
            return
        assert result == 0
        session_id = self.look_up(number, is_reversed)[2]
        assert session_id not in self.seen_ids
        self.seen_ids.add(session_id)
        self.sessions[number] = [index.value, session_id, int(is_reversed), self.now_ms]

    @rule(number=st.integers(0, KEYS - 1))
    def remove(self, number: int) -> None:
        if number in self.sessions:
            self.driver.driver_table_remove(self.table, self.sessions[number][0])
            self.forget(number)

    @rule(number=st.integers(0, KEYS - 1), alias=st.integers(0, KEYS - 1))
    def add_alias(self, number: int, alias: int) -> None:
        if number not in self.sessions:
            return
        result = self.driver.driver_table_add_alias(self.table, self.sessions[number][0], alias)
        is_taken = alias in self.sessions or alias in self.aliases
        if is_taken or number in self.aliases.values():
            assert result == BUSY
        else:
            assert result == 0
            self.aliases[alias] = number

    @rule(number=st.integers(0, KEYS - 1))
    def touch(self, number: int) -> None:
        if number in self.sessions:
            self.driver.driver_table_touch(self.table, self.sessions[number][0], self.now_ms)
            self.sessions[number][3] = self.now_ms

    @rule(step_ms=st.one_of(st.integers(0, 5), st.integers(0, 2 * UDP_OPENING_MS)))
    def advance(self, step_ms: int) -> None:
        self.now_ms += step_ms
        fired = (Firing * FIRED_MAX)()
        count = self.driver.driver_table_advance(self.table, self.now_ms, fired)
        due = {
            number: last + UDP_OPENING_MS
            for number, (_, _, _, last) in self.sessions.items()
            if last + UDP_OPENING_MS <= self.now_ms
        }
        by_index = {self.sessions[number][0]: number for number in due}
        expired = [(by_index[fired[i].id], fired[i].due_ms) for i in range(count)]
        assert dict(expired) == due
        assert [deadline for _, deadline in expired] == sorted(due.values())
        for number in due:
            self.forget(number)

    @invariant()
    def every_key_is_found_and_no_other(self) -> None:
        for number in range(KEYS):
            owner = self.aliases.get(number, number)
            for is_reversed in (False, True):
                index, direction, session_id = self.look_up(number, is_reversed)
                if owner not in self.sessions:
                    assert index == 0
                    continue
                expected_index, expected_id, originator_side, _ = self.sessions[owner]
                if number in self.aliases:
                    originator_side = 0  # an alias's source side is the originator's
                expected_direction = int(is_reversed) ^ originator_side
                assert (index, session_id) == (expected_index, expected_id)
                assert direction == expected_direction

    @invariant()
    def walk_finds_each_session_once(self) -> None:
        index, walked = 0, []
        while index := self.driver.driver_table_next(self.table, index):
            walked.append(index)
        assert sorted(walked) == sorted(row[0] for row in self.sessions.values())
        assert self.driver.driver_table_count(self.table) == len(self.sessions)


class TimersBesideSortedList(RuleBasedStateMachine):
    """The wheel, and the deadlines that it must fire by."""

    ENTRIES = 60
    SPANS = st.one_of(st.integers(0, 300), st.integers(0, 70_000), st.integers(0, 2**40))

    def __init__(self) -> None:
        super().__init__()
        self.driver = load_driver()
        self.now_ms = 1_700_000_000_000
        self.wheel = self.driver.driver_wheel_create(self.ENTRIES, self.now_ms, 1)
        self.deadlines: dict[int, int] = {}

    def teardown(self) -> None:
        self.driver.driver_wheel_destroy(self.wheel)

    @rule(entry=st.integers(1, ENTRIES), span=SPANS)
    def insert(self, entry: int, span: int) -> None:
        if entry not in self.deadlines:
            # One that is due already fires at the next tick.
            self.deadlines[entry] = self.now_ms + max(span, 1)
            self.driver.driver_wheel_insert(self.wheel, entry, self.now_ms + span)

    @rule(entry=st.integers(1, ENTRIES))
    def remove(self, entry: int) -> None:
        self.driver.driver_wheel_remove(self.wheel, entry)
        self.deadlines.pop(entry, None)

    @precondition(lambda self: self.deadlines)
    @rule(position=st.integers(0, ENTRIES), span=SPANS)
    def postpone(self, position: int, span: int) -> None:
        entry = sorted(self.deadlines)[position % len(self.deadlines)]
        self.deadlines[entry] += span
        self.driver.driver_wheel_postpone(self.wheel, entry, self.deadlines[entry])

    @rule(span=SPANS)
    def advance(self, span: int) -> None:
        self.now_ms += span
        fired = (Firing * FIRED_MAX)()
        count = self.driver.driver_wheel_advance(self.wheel, self.now_ms, fired)
        due = sorted(
            (deadline, entry)
            for entry, deadline in self.deadlines.items()
            if deadline <= self.now_ms
        )
        assert [fired[i].due_ms for i in range(count)] == [deadline for deadline, _ in due]
        assert {fired[i].id for i in range(count)} == {entry for _, entry in due}
        assert count == len(due)
        for _, entry in due:
            del self.deadlines[entry]


LIMITS = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestTableBesideDictionary = TableBesideDictionary.TestCase
TestTableBesideDictionary.settings = LIMITS
TestTimersBesideSortedList = TimersBesideSortedList.TestCase
TestTimersBesideSortedList.settings = LIMITS

PROFILES = {"first": 1, "last": 2}  # enum stellar_target_profile
SEGMENTS = st.lists(
    st.tuples(st.integers(0, STREAM_BYTES), st.binary(min_size=1, max_size=40)),
    max_size=60,
)


@pytest.mark.parametrize("profile", PROFILES)
@given(segments=SEGMENTS, sequence=st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_delivered_bytes_are_those_of_a_byte_map(
    profile: str, segments: list[tuple[int, bytes]], sequence: int
) -> None:
    driver = load_driver()
    stream = driver.driver_stream_create(sequence, PROFILES[profile], 1 << 22, 1 << 20)
    model: dict[int, int] = {}
    delivered = bytearray()
    out, length = ctypes.create_string_buffer(1 << 16), ctypes.c_uint32()

    for offset, data in segments:
        place = (sequence + offset) % 2**32
        assert (
            driver.driver_stream_insert(stream, place, data, len(data), out, ctypes.byref(length))
            == 0
        )
        for position, byte in enumerate(data, start=offset):
            if position >= len(delivered) and (profile == "last" or position not in model):
                model[position] = byte
        expected = bytearray(delivered)
        while len(expected) in model:
            expected.append(model[len(expected)])
        delivered += out.raw[: length.value]
        assert delivered == expected

    driver.driver_stream_destroy(stream)


@given(
    text=st.binary(min_size=1, max_size=STREAM_BYTES),
    cuts=st.lists(st.tuples(st.integers(0, STREAM_BYTES), st.integers(1, 60)), max_size=80),
    profile=st.integers(0, 6),
)
@settings(max_examples=300, deadline=None)
def test_pieces_of_one_text_give_the_text_whatever_the_profile(
    text: bytes, cuts: list[tuple[int, int]], profile: int
) -> None:
    driver = load_driver()
    stream = driver.driver_stream_create(0xFFFFFFF0, profile, 1 << 22, 1 << 20)
    known: set[int] = set()
    delivered = b""
    out, length = ctypes.create_string_buffer(1 << 16), ctypes.c_uint32()

    for start, size in cuts:
        piece = text[start : start + size]
        place = (0xFFFFFFF0 + start) % 2**32
        driver.driver_stream_insert(stream, place, piece, len(piece), out, ctypes.byref(length))
        known |= set(range(start, start + len(piece)))
        delivered += out.raw[: length.value]
        assert len(delivered) not in known

    assert delivered == text[: len(delivered)]
    driver.driver_stream_destroy(stream)
    assert set(range(len(delivered))) <= known


@given(offsets=st.lists(st.integers(1, 5000), min_size=1, max_size=300), cap=st.integers(64, 4096))
@settings(max_examples=150, deadline=None)
def test_held_bytes_stay_below_their_limit(offsets: list[int], cap: int) -> None:
    driver = load_driver()
    stream = driver.driver_stream_create(0, 0, 1 << 22, cap)
    out, length = ctypes.create_string_buffer(1 << 16), ctypes.c_uint32()

    for offset in offsets:
        driver.driver_stream_insert(stream, offset, b"x", 1, out, ctypes.byref(length))
        assert driver.driver_stream_held_bytes(stream) <= cap

    driver.driver_stream_destroy(stream)
