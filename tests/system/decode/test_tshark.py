# SPDX-License-Identifier: Apache-2.0
"""Decoding finds the innermost datagram that tshark finds; tshark_differences.py lists the rest."""

import os
import shutil
import statistics
from collections import Counter
from pathlib import Path

import pytest
from tshark_differences import REASONS
from tshark_frames import Frame, compare

ROOT = Path(__file__).parents[3]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))
SUFFIXES = {".pcap", ".pcapng", ".cap"}


@pytest.fixture(scope="module")
def frames(shared_captures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")
    data = shared_captures[0].parents[1]
    captures = sorted(path for path in data.rglob("*") if path.suffix in SUFFIXES)
    binary = BUILD / "tests" / "native" / "packet_tuples"
    return compare(binary, captures, tmp_path_factory.mktemp("tshark"))


def test_innermost_datagram_is_that_of_tshark_in_99_5_percent_of_frames(
    frames: list[Frame],
) -> None:
    agreeing = sum(frame.agrees for frame in frames)

    assert agreeing >= 0.995 * len(frames)


def test_innermost_datagram_is_that_of_tshark_in_97_percent_of_a_capture_on_average(
    frames: list[Frame],
) -> None:
    total = Counter(frame.capture for frame in frames)
    agreeing = Counter(frame.capture for frame in frames if frame.agrees)

    assert statistics.mean(agreeing[capture] / total[capture] for capture in total) >= 0.97


def test_every_difference_has_a_reason(frames: list[Frame]) -> None:
    differing = [frame for frame in frames if not frame.agrees]

    unexplained = [frame for frame in differing if not any(reason(frame) for reason in REASONS)]

    assert unexplained == []
