# SPDX-License-Identifier: Apache-2.0
"""What a held segment costs does not grow faster than the logarithm of those that are held."""

import math
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))
COUNTS = (1_000, 10_000, 100_000)


def instructions(folder: Path, order: str, count: int) -> int:
    """Instructions of one run, start of the program included."""
    binary = BUILD / "tests" / "native" / "session" / "stream_cost"
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'out'}", binary,
         order, str(count)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found.group(1))


@pytest.mark.slow
@pytest.mark.parametrize("order", ["reverse", "every_other", "shuffled", "joined"])
def test_instructions_per_held_segment_grow_no_faster_than_log_n(
    tmp_path: Path, order: str
) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind")
    start = instructions(tmp_path, order, 0)

    each = [(instructions(tmp_path, order, count) - start) / count for count in COUNTS]

    print(order, [round(cost) for cost in each])
    for count, cost in zip(COUNTS[1:], each[1:], strict=True):
        assert cost / each[0] <= math.log(count) / math.log(COUNTS[0])
