# SPDX-License-Identifier: Apache-2.0
"""Floods beside honest traffic, and what must be left of that; what is measured is in README.md."""

import sys
from pathlib import Path

# PYTHONSAFEPATH keeps a script's own folder off the path.
sys.path.insert(0, str(Path(__file__).parent))

from run import Case, main  # noqa: E402 - see above

RUNS = "5"
MUST = "the least it must be"
CAP = "the cap and 5 %"


def share(name: str, case: str, figure: str) -> Case:
    """What is left of honest traffic."""
    return Case(
        name=name, driver="bench_flood", arguments=(case, figure, RUNS), peer=MUST, unit="%"
    )


def memory(name: str, case: str) -> Case:
    """Resident memory that a flood makes the process grow by."""
    return Case(
        name=name,
        driver="bench_flood",
        arguments=(case, "memory", RUNS),
        peer=CAP,
        unit="bytes",
        more_is_better=False,
    )


def recovery(name: str, figure: str) -> Case:
    """Engine time after the flood until the table is as before."""
    return Case(
        name=name,
        driver="bench_flood",
        arguments=("syn", figure, RUNS),
        peer="tcp_opening_sec",
        unit="ms",
        more_is_better=False,
    )


def rate(name: str, case: str, peer: str) -> Case:
    """Packets a second of processor time."""
    return Case(
        name=name,
        driver="bench_flood",
        arguments=(case, "rate", RUNS),
        peer=peer,
        unit="packets/s",
    )


CASES = [
    share("SYN: live sessions kept", "syn", "live"),
    share("SYN: new honest sessions, RTT 50 ms", "syn", "honest"),
    share("SYN: new honest sessions, RTT 200 ms", "syn_far", "honest"),
    memory("SYN: memory", "syn"),
    recovery("SYN: until below 1 % in opening", "opening"),
    recovery("SYN: until flood mode ends", "mode"),
    rate("SYN: packets through the flood", "syn", "a table with room for all"),
    share("SYN of one source: live sessions kept", "source", "live"),
    share("SYN of one source: new honest sessions", "source", "honest"),
    share("fragments: honest datagrams whole, 2 ms", "fragment", "honest"),
    share("fragments: honest datagrams whole, 40 ms", "fragment_slow", "honest"),
    share("fragments of one source: honest, 40 ms", "fragment_source", "honest"),
    memory("fragments: memory", "fragment"),
    share("out of order: honest bytes in order", "disorder", "ordered"),
    share("out of order: honest bytes reordered", "disorder", "reordered"),
    memory("out of order: memory", "disorder"),
    rate("out of order: segments through the flood", "disorder", "the honest segments alone"),
]

if __name__ == "__main__":
    main("flood")
