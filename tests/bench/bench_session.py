# SPDX-License-Identifier: Apache-2.0
"""The engine's session table beside DPDK's rte_hash; what is measured is in README.md."""

import sys
from pathlib import Path

# PYTHONSAFEPATH keeps a script's own folder off the path.
sys.path.insert(0, str(Path(__file__).parent))

from run import Case, main  # noqa: E402 - see above

MILLION = 1_000_000
PAIRS = 7
BYTES_PER_SESSION = {  # with room to spare
    "rte_hash": 320,  # both tables
    "1M sessions": 140,  # ours, and an index that is being replaced
    "8 GiB": 140,
}


def measure(
    case: str,
    kind: str,
    sessions: int,
    burst: int = 64,
    unit: str = "packets/s",
    peer: str = "rte_hash",
) -> Case:
    """A case of tests/bench/session/main.c."""
    return Case(
        name=case,
        driver="bench_session",
        arguments=(kind, str(sessions), str(burst), str(PAIRS), "{pages}"),
        peer=peer,
        unit=unit,
        more_is_better=kind not in ("bytes", "growth", "held"),
        memory_bytes=sessions * BYTES_PER_SESSION[peer] + (256 << 20),
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
    measure("growth to 1M, longest insertion", "growth", MILLION, burst=1, unit="us"),
    measure("memory, 1M", "bytes", MILLION, unit="bytes/session"),
    measure("memory, 10M", "bytes", 10 * MILLION, unit="bytes/session"),
    measure("hit, as the engine runs it, 50M", "scale", 50 * MILLION, peer="1M sessions"),
    measure("memory, 50M", "held", 50 * MILLION, unit="GiB", peer="8 GiB"),
]

if __name__ == "__main__":
    main("session")
