# SPDX-License-Identifier: Apache-2.0
"""The event file's end, filtered."""

import json

import pytest

from stellar.cli.main import main

EVENTS = [
    {"event_type": "flow", "flow_id": 1},
    {"event_type": "drop", "flow_id": 1},
    {"event_type": "drop", "flow_id": 2},
]


@pytest.fixture
def event_file(tmp_path):
    path = tmp_path / "eve.json"
    path.write_text("".join(json.dumps(event) + "\n" for event in EVENTS) + "not json\n")
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--type", "drop"], EVENTS[1:]),
        (["--session", "1"], EVENTS[:2]),
        (["--type", "drop", "--session", "1"], EVENTS[1:2]),
        (["--type", "drop", "--lines", "1"], EVENTS[2:]),
        (["--type", "alert"], []),
    ],
)
def test_wanted_events_are_printed(capsys, event_file, words, expected):
    assert main(["events", "--file", str(event_file), *words]) == 0

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == expected


def test_absent_file_is_one_line(capsys, tmp_path):
    assert main(["events", "--file", str(tmp_path / "eve.json")]) == 1

    assert capsys.readouterr().err == f"{tmp_path}/eve.json: No such file or directory\n"
