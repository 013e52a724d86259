# SPDX-License-Identifier: Apache-2.0
"""The engine's session table beside DPDK's rte_hash; what is measured is in README.md."""

import sys
from pathlib import Path

# PYTHONSAFEPATH keeps a script's own folder off the path.
sys.path.insert(0, str(Path(__file__).parent))

from run import Case, main  # noqa: E402 - see above

MILLION = 1_000_000
PAIRS = 7
BYTES_PER_SESSION = 320  # of both tables together, with room to spare
PEER = "rte_hash"


def measure(case: str, kind: str, sessions: int, burst: int = 64, unit: str = "packets/s") -> Case:
    """A case of tests/bench/session/main.c."""
    return Case(
        name=case,
        driver="bench_session",
        arguments=(kind, str(sessions), str(burst), str(PAIRS), "{pages}"),
        peer=PEER,
        unit=unit,
        more_is_better=kind != "bytes",
        memory_bytes=sessions * BYTES_PER_SESSION + (256 << 20),
    )


CASES = [
    measure("hit, as the engine runs it, 1M, burst 64", "hit", MILLION),
    measure("hit, as the engine runs it, 1M, burst 32", "hit", MILLION, burst=32),
    measure("hit, as the engine runs it, 10M, burst 64", "hit", 10 * MILLION),
    measure("hit, as the engine runs it, 10M, burst 32", "hit", 10 * MILLION, burst=32),
    measure("hit, plain update, 1M, burst 64", "touch", MILLION),
    measure("hit, plain update, 10M, burst 64", "touch", 10 * MILLION),
    measure("churn, 1M, burst 64", "churn", MILLION, unit="sessions/s"),
    measure("churn, 10M, burst 64", "churn", 10 * MILLION, unit="sessions/s"),
    measure("memory, 1M", "bytes", MILLION, unit="bytes/session"),
    measure("memory, 10M", "bytes", 10 * MILLION, unit="bytes/session"),
]

if __name__ == "__main__":
    main("session")
