# SPDX-License-Identifier: Apache-2.0
"""What is told of a run that is not as expected, and how a frame is told."""

import pytest

from stellar.scenario import Outcome, build_frames, compare, describe_frame, parse_scenario

HELLO = "packets:\n  - open: tcp client > server:80\n  - client: hello\n"


def outcome(**values: object) -> Outcome:
    return Outcome(**({"events": [], "stats": {}, "written": []} | values))  # type: ignore[arg-type]


def told(expect: str, found: Outcome) -> list[str]:
    scenario = parse_scenario(f"{HELLO}expect: {expect}")
    return [str(difference) for difference in compare(scenario, found)]


def log(*lines: str) -> list[dict[str, object]]:
    return [
        {"event_type": "plugin", "plugin": {"name": "greeter", "level": "info", "text": line}}
        for line in lines
    ]


def test_nothing_expected_is_never_different() -> None:
    assert told("{}", outcome(events=log("x"))) == []


def test_problem_of_the_run_is_always_told() -> None:
    assert told("{}", outcome(problems=["a.lua:3: oh"])) == [
        "the run: expected no problem, found a.lua:3: oh"
    ]


def test_log_is_compared_line_by_line() -> None:
    expect = "{log: ['greeter: one', 'greeter: two']}"

    assert told(expect, outcome(events=log("one", "two"))) == []
    assert told(expect, outcome(events=log("one", "three"))) == [
        "log: (- expected, + found)\n  greeter: one\n- greeter: two\n+ greeter: three"
    ]


def test_events_are_counted_by_their_values() -> None:
    closed = [{"event_type": "flow", "flow": {"reason": reason}} for reason in ("fin", "rst")]
    expect = "{events: [{event_type: flow, flow.reason: fin, count: %d}]}"

    assert told(expect % 1, outcome(events=closed)) == []
    assert told(expect % 2, outcome(events=closed)) == [
        "events {event_type: flow, flow.reason: fin}: expected 2, "
        "found 1 (one has flow.reason: rst)"
    ]


def test_counters_that_are_not_expected_are_told() -> None:
    stats = {"plugins": [{"name": "a", "counters": {"seen": 1, "more": 2, "none": 0}}]}

    assert told("{counters: {a: {seen: 1, more: 2}}}", outcome(stats=stats)) == []
    assert told("{counters: {a: {seen: 1}}}", outcome(stats=stats)) == [
        "counters of a: expected {'seen': 1}, found {'seen': 1, 'more': 2}"
    ]


def test_stats_are_compared_at_their_places() -> None:
    stats = {"packets": {"forwarded": 3, "dropped": {"plugin": 0}}}

    assert told("{stats: {packets.forwarded: 3, packets.dropped: {}}}", outcome(stats=stats)) == []
    assert told("{stats: {packets.received: 3}}", outcome(stats=stats)) == [
        "stats packets.received: expected 3, found None"
    ]


def test_frames_are_compared_in_order() -> None:
    frames = [frame.data for frame in build_frames(parse_scenario(HELLO))]
    lines = [
        "client:40000 > server:80 tcp S",
        "server:80 > client:40000 tcp SA",
        "client:40000 > server:80 tcp A",
        'client:40000 > server:80 tcp PA "hello"',
    ]

    assert told(f"{{written: {lines}}}", outcome(written=frames)) == []
    assert told("{written: 4}", outcome(written=frames)) == []
    assert told("{written: 5}", outcome(written=frames)) == ["frames written: expected 5, found 4"]
    assert told(f"{{written: {lines}}}", outcome(written=frames[:3])) == [
        "frames written: (- expected, + found)\n"
        "  client:40000 > server:80 tcp S\n"
        "  server:80 > client:40000 tcp SA\n"
        "  client:40000 > server:80 tcp A\n"
        '- client:40000 > server:80 tcp PA "hello"'
    ]


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ("[open: icmp client > server, client: hey]", 'client > server icmp echo_request "hey"'),
        ("[open: udp client > server:53, client: {hex: ff}]",
         "client:40000 > server:53 udp 1 bytes"),
        ("[open: udp client6 > server6:53, client6: ]", "client6:40000 > server6:53 udp"),
        ("[{open: udp client > server:53, vlan: 9}, client: a]",
         'vlan 9 client:40000 > server:53 udp "a"'),
        ("[open: udp client > server:53, client: a, {error: server, kind: host_unreachable}]",
         "server > client icmp host_unreachable"),
        ("[open: udp client > server:53, {client: {bytes: 20}, fragment_bytes: 16}]",
         "client > server fragment at 16, 12 bytes"),
        ("[pulse]", "frame of type 0x88b5, 60 bytes"),
        ("[frame: 0102]", "frame of 2 bytes"),
        ("[frame: 0102030405060708090a0b0c0806]", "frame of type 0x0806, 14 bytes"),
    ],
)  # fmt: skip
def test_frame_is_told_in_one_line(steps: str, line: str) -> None:
    scenario = parse_scenario(f"packets: {steps}")

    assert describe_frame(build_frames(scenario)[-1].data, scenario.hosts) == line
