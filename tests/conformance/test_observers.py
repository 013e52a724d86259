# SPDX-License-Identifier: Apache-2.0
"""A Python observer sees what a plugin sees that needs the same events."""

import json
from pathlib import Path

import pytest
from families import BASIC, GAP, OF_TCP, TCP, UDP, Traffic
from oracle import predict
from scripted_plugins import Plugin, make_plugin
from ways import difference

from stellar.cli.main import main
from stellar.engine import names
from stellar.scenario import build_frames, build_pcap, parse_scenario

OBSERVER = """
import json

EVENTS = {events!r}
kept = []

def observe(records):
    for each in records:
        data = bytes(each["data"][: each["data_length"]]).decode()
        kept.append([int(each.event), int(each.direction), int(each.reason), data,
                     int(each.data_length)])

def end(lost):
    with open({output!r}, "w") as file:
        json.dump(dict(lost=lost, records=kept), file)
"""
SUBJECTS = {
    "tcp": (TCP, OF_TCP),
    "gap": (GAP, (*OF_TCP, "tcp_gap")),
    "udp": (UDP, (*BASIC, "session_active", "udp_data")),
    "opening_and_closing": (TCP, ("session_opening", "session_closing")),
}


def observed_lines(path: Path) -> list[str]:
    """Records as a plugin of the name a logs its calls."""
    observed = json.loads(path.read_text())
    assert observed["lost"] == 0
    lines = []
    for count, (event_id, direction, reason, data, length) in enumerate(observed["records"], 1):
        event = names()["event"][event_id]
        detail = {
            "session_closing": f" {names()['closing_reason'][reason]}",
            "tcp_data": f' "{data}"',
            "udp_data": f' "{data}"',
            "tcp_gap": f" {length}",
        }.get(event, "")
        lines.append(f"a: {event} {('forward', 'reverse')[direction]} {count}{detail}")
    return lines


@pytest.mark.parametrize("language", ["c", "lua"])
@pytest.mark.parametrize(("traffic", "events"), SUBJECTS.values(), ids=SUBJECTS)
def test_observer_sees_what_a_plugin_sees(
    traffic: Traffic, events: tuple[str, ...], language: str, made: Path, tmp_path: Path
) -> None:
    lines = [*(step.format(s="s0") for step in traffic.steps), *traffic.after]
    packets = "\n".join(f"  - {{{line}}}" if ":" in line else f"  - {line}" for line in lines)
    scenario = parse_scenario(f"packets:\n{packets}\n", "observed")
    capture, program = tmp_path / "in.pcap", tmp_path / "observer.py"
    capture.write_bytes(build_pcap(build_frames(scenario)))
    output, eve = tmp_path / "observed.json", tmp_path / "eve.json"
    program.write_text(OBSERVER.format(events=events, output=str(output)))
    plugin = Plugin(name="a", events=events)
    expected = predict([plugin], traffic.moments, traffic.reason).log

    result = main(
        ["replay", str(capture), "--inline", "--events", str(eve), "--observer", str(program),
         "--plugin", str(make_plugin(plugin, language, made))]
    )  # fmt: skip

    assert result == 0
    logged = [json.loads(line) for line in eve.read_text().splitlines()]
    texts = [each["plugin"]["text"] for each in logged if each["event_type"] == "plugin"]
    assert not difference(expected, [f"a: {text.split(' ', 1)[1]}" for text in texts])
    assert not difference(expected, observed_lines(output))
