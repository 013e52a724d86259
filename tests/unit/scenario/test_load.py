# SPDX-License-Identifier: Apache-2.0
"""What a scenario file may say, and how a wrong one is refused: file, line, expected, found."""

from pathlib import Path

import pytest

from stellar.scenario import PluginChoice, ScenarioError, load_scenario, parse_scenario

OPEN = "- open: tcp client > server:80"


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "x.yml")
    return caught.value.problems


def test_shortest_conversation_is_five_lines(tmp_path: Path) -> None:
    file = tmp_path / "hello.yml"
    file.write_text(f"packets:\n  {OPEN}\n  - client: hello\n  - server: hi\n  - close\n")

    scenario = load_scenario(file)

    assert [step.verb for step in scenario.steps] == ["open", "say", "say", "close"]
    assert scenario.run.plugins is None
    assert (scenario.run.bursts, scenario.run.workers) == ((1, 64), (1, 2))


def test_all_that_can_be_said_of_a_run_is_kept() -> None:
    run = parse_scenario(
        """\
packets: []
run:
  plugins: [a.lua, {path: b.so, settings: {limit: 10, "on": true}}]
  policy: p.yml
  inline: false
  engine: {midstream: false, limits: {hold_frames: 4}}
  bursts: [7]
  workers: [3]
"""
    ).run

    assert run.plugins == [
        PluginChoice("a.lua"), PluginChoice("b.so", {"limit": "10", "on": "true"}),
    ]  # fmt: skip
    assert (run.policy, run.inline, run.bursts, run.workers) == ("p.yml", False, (7,), (3,))
    assert run.settings == {"midstream": False, "limits": {"hold_frames": 4}}


def test_expected_events_are_flat_places_with_a_count() -> None:
    expect = parse_scenario(
        "packets: []\nexpect: {events: [{event_type: flow, flow: {state: closed}, count: 2}]}"
    ).expect

    assert expect.events == [({"event_type": "flow", "flow.state": "closed"}, 2)]


def test_repeated_blocks_count_inside_each_other() -> None:
    steps = parse_scenario(
        """\
packets:
  - repeat: 2
    counter: i
    packets:
      - {session: "udp client > server:53", as: s$i}
      - {repeat: 2, packets: [{client: "$i.$n", in: s$i}]}
"""
    ).steps

    assert [step.data for step in steps if step.verb == "say"] == [b"0.0", b"0.1", b"1.0", b"1.1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x.yml:1: expected one of hosts, spacing_us, packets, run, expect, found nothing"),
        ("- a", "x.yml:1: expected a scenario: a mapping, found a list"),
        ("run: {}", "x.yml:1: expected the key packets, found none"),
        ("packets: []\npacket: []", "x.yml:2: expected a scenario: one of"),
        ("packets: []\npackets: []", "x.yml:2: expected the key 'packets' once, found it again"),
        ("packets: [&a x]", "x.yml:1: expected YAML without anchors, found one"),
        ("packets: [", "x.yml:1: expected YAML, found"),
        ("packets: " + "[" * 30, "x.yml:1: expected YAML, found more than 20 levels"),
        ("packets: [dance]", "x.yml:1: expected a step: open, session, close"),
        ("packets: [{dance: 1}]", "x.yml:1: expected one of open, session"),
        ("packets: [{wait_ms: 1, close: x}]", "found 'wait_ms' and 'close'"),
        ("packets: [{wait_ms: soon}]", "expected wait_ms: a number from 0 to"),
        ("packets: [{wait_ms: -1}]", "found '-1'"),
        ("packets: [{client: hi}]", "expected a session: open before, found none"),
        ("packets: [close]", "expected a session: open before, found none"),
        ("packets: [{open: sctp client > server:1}]", "of tcp, udp, icmp, found 'sctp client"),
        ("packets: [{open: tcp client > nobody:1}]", "expected a host: client, server"),
        ("packets: [{open: tcp client > server}]", "expected a port of server, as server:80"),
        ("packets: [{open: tcp client > server:99999}]", "expected a port from 1 to 65535"),
        ("packets: [{open: tcp client > server6:1}]", "expected two hosts of one IP version"),
        (f"packets:\n  {OPEN}\n  - client6: hi", "x.yml:3: expected a host of the session: client"),
        (f"packets:\n  {OPEN}\n  - {{client: hi, in: web}}", "expected a session: 'session 1'"),
        (f"packets:\n  {OPEN}\n  - {{client: hi, flags: XY}}", "expected flags of FSRPAUEC"),
        (f"packets:\n  {OPEN}\n  - {{client: hi, colour: 1}}", "expected beside client: some of"),
        (f"packets:\n  {OPEN}\n  - client: {{hex: 0}}", "expected hexadecimal digits in pairs"),
        (f"packets:\n  {OPEN}\n  - client: {{bytes: 70000}}", "a number from 0 to 65000"),
        (f"packets:\n  {OPEN}\n  - {{error: server, kind: sad}}", "expected kind: one of net_unre"),
        ("packets: [{open: udp client > server:1}, {reset: client}]", "expected a TCP session"),
        ("packets: [{open: udp client > server:1}, close]", "expected a host of a TCP session"),
        ("packets:\n  - {open: tcp client > server:1, as: a}\n  - {open: tcp client > server:1, "
         "as: a}", "x.yml:3: expected a name of its own, found 'a' again"),
        ("packets:\n  - pulse\n  - wait_ms: 5", "x.yml:3: expected a packet after the wait"),
        ("packets: [{repeat: 3}]", "expected packets beside repeat, found none"),
        ("packets: [{frame: xyz}]", "expected hexadecimal digits in pairs"),
        ("packets: [{frame: 00, at: nobody}]", "expected a host, found 'nobody'"),
        ("hosts: {close: 192.0.2.1}\npackets: []", "not a word of the language, found 'close'"),
        ("hosts: {a: 192.0.2}\npackets: []", "x.yml:1: expected a: an IP address, found '192.0.2'"),
        ("hosts: {a: {interface: in}}\npackets: []", "expected a: an IP address, found nothing"),
        ("packets: []\nrun: {inline: maybe}", "expected inline: true or false, found 'maybe'"),
        ("packets: []\nrun: {bursts: [65]}", "expected bursts: a number from 1 to 64"),
        ("packets: []\nrun: {plugins: [{settings: {}}]}", "expected the path of a plugin"),
        ("packets: []\nexpect: {log: hello}", "expected log: a list, found 'hello'"),
        ("packets: []\nexpect: {written: many}", "written: a list of frames, or: a number"),
        ("packets: []\nexpect: {counters: {a: {b: x}}}", "expected b: a number from 0"),
    ],
)  # fmt: skip
def test_wrong_scenario_is_refused_by_line(text: str, expected: str) -> None:
    assert any(expected in problem for problem in problems_of(text)), problems_of(text)


def test_all_problems_are_told_at_once() -> None:
    assert len(problems_of("packets: [{wait_ms: a}, {wait_ms: b}]\nrun: {inline: 3}")) == 3


def test_repetition_does_not_repeat_its_problems() -> None:
    assert len(problems_of("packets: [{repeat: 100000, packets: [{wait_ms: a}]}]")) == 1


def test_steps_are_bounded() -> None:
    text = "packets: [{repeat: 100000, packets: [{repeat: 100, packets: [{wait_ms: 1}]}]}]"

    assert "at most 200000 steps" in problems_of(text)[0]


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(ScenarioError, match="x.yml:1: expected UTF-8 text"):
        load_scenario(file)
