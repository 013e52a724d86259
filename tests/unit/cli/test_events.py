# SPDX-License-Identifier: Apache-2.0
"""The event file's end, filtered."""

import json
import select
import subprocess
import sys

import pytest

from stellar.cli.main import main

LIMIT_SEC = 20
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


@pytest.fixture
def following(event_file):
    words = ["-m", "stellar.cli.main", "events", "--follow", "--lines", "0", "--type", "drop"]
    process = subprocess.Popen(
        [sys.executable, "-P", *words, "--file", str(event_file)],
        stdout=subprocess.PIPE,
        bufsize=0,  # what select does not see must not hide in a buffer
    )
    yield process
    process.kill()
    process.communicate()


def read_event(process):
    readable, _, _ = select.select([process.stdout], [], [], LIMIT_SEC)
    assert readable, "no event came"
    return json.loads(process.stdout.readline())


def write_until_seen(path, event, process):
    """Append an event; again while nothing came, because the reader may not have begun."""
    for _ in range(LIMIT_SEC):
        with path.open("a") as stream:
            stream.write(json.dumps(event) + "\n")
        if select.select([process.stdout], [], [], 1)[0]:
            return read_event(process)
    raise AssertionError("no event came")


def test_new_events_are_followed_into_a_rotated_file(event_file, following):
    first = write_until_seen(event_file, {"event_type": "drop", "flow_id": 3}, following)
    event_file.rename(event_file.with_suffix(".1"))
    event_file.write_text(json.dumps({"event_type": "drop", "flow_id": 4}) + "\n")
    seen = {read_event(following)["flow_id"]}
    while 4 not in seen:
        seen.add(read_event(following)["flow_id"])

    assert first["flow_id"] == 3
    assert seen <= {3, 4}
