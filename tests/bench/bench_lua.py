# SPDX-License-Identifier: Apache-2.0
"""Lua plugins beside a callback for each event, and beside C; what is measured is in README.md."""

import sys
from pathlib import Path

# PYTHONSAFEPATH keeps a script's own folder off the path.
sys.path.insert(0, str(Path(__file__).parent))

from run import Case, main  # noqa: E402 - see above

PAIRS = 21
MEASURE = str(Path(__file__).parent / "lua" / "measure.py")
TRAFFIC = ("64 interleaved", "8 interleaved", "8 in runs of 8", "one alone")
PEERS = {"callback": "FFI callback per event", "c": "the same in C"}


def measure(handler: str, traffic: str, peer: str) -> Case:
    """A case of tests/bench/lua/measure.py: what an event costs."""
    return Case(
        name=f"{handler} handler, {traffic}, beside {peer}",
        driver=f"bench_lua_{handler}",
        command=(sys.executable, MEASURE, "one", handler, traffic, peer, str(PAIRS)),
        arguments=(),
        peer=PEERS[peer],
        unit="ns/event",
        more_is_better=False,
    )


CASES = [
    *(
        measure(handler, traffic, peer)
        for handler in ("empty", "counting")
        for traffic in TRAFFIC
        for peer in PEERS
    ),
    *(
        Case(
            name=f"five plugins, {handler} handlers, 64 interleaved",
            driver=f"bench_lua_{handler}",
            command=(sys.executable, MEASURE, "five", handler, TRAFFIC[0], "none", str(PAIRS)),
            arguments=(),
            peer="no plugin",
            unit="packets/s",
        )
        for handler in ("empty", "counting")
    ),
]

if __name__ == "__main__":
    main("lua")
