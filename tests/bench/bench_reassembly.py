# SPDX-License-Identifier: Apache-2.0
"""Putting TCP bytes in order beside a plain copy of them; what is measured is in README.md."""

import sys
from pathlib import Path

# PYTHONSAFEPATH keeps a script's own folder off the path.
sys.path.insert(0, str(Path(__file__).parent))

from run import Case, main  # noqa: E402 - see above

PAIRS = 7
SEGMENT_BYTES = (64, 536, 1448, 8948)


def measure(case: str, kind: str, segment_bytes: int) -> Case:
    """A case of tests/bench/reassembly/main.c."""
    return Case(
        name=f"{case}, {segment_bytes} bytes a segment",
        driver="bench_reassembly",
        arguments=(kind, str(segment_bytes), str(PAIRS)),
        peer="memcpy",
        unit="bytes/s",
    )


CASES = [
    *(measure("in order", "in_order", size) for size in SEGMENT_BYTES),
    *(measure("10 % reordered", "reordered", size) for size in SEGMENT_BYTES),
]

if __name__ == "__main__":
    main("reassembly")
