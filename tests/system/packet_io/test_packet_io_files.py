# SPDX-License-Identifier: Apache-2.0
"""Every capture that lies beside the checkout, read and compared with Wireshark's count."""

import shutil
from pathlib import Path

import pytest
from wire import COUNT_FRAMES, run

# Made by fuzzing: the file ends within a record header.
CUT = {"fuzz-2021-10-13.pcap"}


def counted(captures: list[Path]) -> dict[str, tuple[int, str]]:
    """File name -> frames, and how the reader ended."""
    rows = [line.split("\t") for line in run(COUNT_FRAMES, *captures).stdout.splitlines()]
    return {Path(path).name: (int(frames), end) for path, frames, _, end in rows}


def test_every_capture_is_read_to_its_end(shared_captures: list[Path]) -> None:
    results = counted(shared_captures)

    assert set(results) == {path.name for path in shared_captures}
    broken = {name: end for name, (_, end) in results.items() if end != "end"}
    assert set(broken) == CUT
    assert all(": byte " in end and ": expected " in end for end in broken.values())


def test_frame_counts_are_those_of_capinfos(shared_captures: list[Path]) -> None:
    if shutil.which("capinfos") is None:
        pytest.skip("needs capinfos (tshark)")
    results = counted(shared_captures)

    # Exit code 1 and a line on standard error for the cut file; its count is in the table.
    table = run("capinfos", "-c", "-T", "-M", "-r", *shared_captures, check=False).stdout
    theirs = {
        Path(path).name: int(frames)
        for path, frames in (line.rsplit("\t", 1) for line in table.splitlines())
    }

    assert {name: frames for name, (frames, _) in results.items()} == theirs
