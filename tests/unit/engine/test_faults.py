# SPDX-License-Identifier: Apache-2.0
"""Faults are counted by plugin and time; a damaged file costs nothing but what it held."""

import json
import random
from pathlib import Path

import pytest

from stellar.engine import Engine, StellarError
from stellar.engine.faults import FAULTS_MAX, WINDOW_SEC, Faults


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "faults.json"


def test_plugin_is_named_when_it_did_it_often_enough(path: Path) -> None:
    for _ in range(FAULTS_MAX - 1):
        Faults(path).add("one", is_stuck=False)
    Faults(path).add("other", is_stuck=True)

    assert Faults(path).repeated() == []

    Faults(path).add("one", is_stuck=True)

    assert Faults(path).repeated() == ["one"]
    assert Faults(path).count("other") == 1


def test_what_is_long_ago_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(FAULTS_MAX):
        Faults(path).add("one", is_stuck=False)
    later = json.loads(path.read_text())[-1]["time"] + WINDOW_SEC + 1
    monkeypatch.setattr("time.time", lambda: later)

    assert Faults(path).repeated() == []


@pytest.mark.parametrize("text", ["", "{", "7", '[{"plugin": 1}]', '[["one"]]'])
def test_damaged_list_is_begun_anew(path: Path, text: str) -> None:
    path.write_text(text)

    Faults(path).add("one", is_stuck=False)

    assert Faults(path).count("one") == 1


def test_damaged_marks_blame_nobody(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    noise = random.Random(1)
    for size in (0, 1, 4096, 1 << 16):
        marks.write_bytes(b"STLRMRK1"[:size] + noise.randbytes(size))
        engine = Engine()

        assert engine.set_mark_file(str(marks)) is None

        engine.close()


def test_marks_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StellarError, match="missing/marks: No such file"):
        Engine().set_mark_file(str(tmp_path / "missing" / "marks"))
