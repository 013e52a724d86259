# SPDX-License-Identifier: Apache-2.0
"""Decoding and the session update beside ndpiReader; what is measured is in README.md."""

import subprocess
import sys
from pathlib import Path

# PYTHONSAFEPATH keeps a script's own folder off the path.
sys.path.insert(0, str(Path(__file__).parent))

from run import RESULTS, ROOT, Case, main  # noqa: E402 - see above

PAIRS = 9
COPIES = 8
SHARED = ROOT.parent / "shared"
MIX = RESULTS / "mix.pcap"


def measure(case: str, events: str) -> Case:
    """A case of tests/bench/decode/main.c."""
    return Case(
        name=case,
        driver="bench_decode",
        arguments=(str(MIX), events, str(PAIRS)),
        peer="ndpiReader -q",
        unit="packets/s",
    )


CASES = [
    measure("decode and session update", "none"),
    measure("the same, with EVE flow events", "/dev/null"),
]


def make_mix() -> None:
    """All captures beside the checkout as one busy link, several times over."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    tool = SHARED / "tools" / "mkmix.py"
    subprocess.run(
        [sys.executable, tool, MIX, str(COPIES), SHARED / "data" / "captures"], check=True
    )


if __name__ == "__main__":
    if not (SHARED / "tools" / "mkmix.py").exists():
        print(f"bench: decode is skipped: {SHARED} is not there")
        sys.exit(0)
    make_mix()
    main("decode")
    MIX.unlink()
