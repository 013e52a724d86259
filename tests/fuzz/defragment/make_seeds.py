# SPDX-License-Identifier: Apache-2.0
"""Write seeds for fuzz_defragment: the overlap test of Shankar and Paxson, by profile and version.

Usage: make_seeds.py DIRECTORY. The build calls it.
"""

import sys
from pathlib import Path

PROFILES = 7
LAST = 0x80
PAXSON = [(0, 3), (4, 2), (6, 3), (1, 4), (6, 3), (9, 3 | LAST)]
PLAIN = [(0, 2), (2, 2), (6, 2 | LAST), (4, 2)]
REVERSE = [(9 - place, 1 | (LAST if place == 0 else 0)) for place in range(10)]
RUNS = [(0, 1), (1, 1), (2, 1), (0, 3), (1, 2), (3, 1 | LAST)]


def main(directory: Path) -> None:
    """Write the seeds into the directory."""
    directory.mkdir(exist_ok=True)
    shapes = {"paxson": PAXSON, "plain": PLAIN, "reverse": REVERSE, "runs": RUNS}
    for name, pieces in shapes.items():
        for profile in range(PROFILES):
            for mode in (0, 1, 2, 3, 0x0F):
                records = b"".join(bytes([place, length, 0, 8]) for place, length in pieces)
                (directory / f"{name}-{profile}-{mode}").write_bytes(
                    bytes([profile, mode]) + records * 3
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
