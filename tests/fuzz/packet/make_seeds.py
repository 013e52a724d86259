# SPDX-License-Identifier: Apache-2.0
"""Write a seed for fuzz_decode from each sample frame of the C tests.

Usage: make_seeds.py fuzz_decode.c samples.c DIRECTORY. The build calls it.
"""

import re
import sys
from pathlib import Path

SWITCHES = {"whole": 0x80, "unverified": 0x00, "cut": 0x88}
"""Second byte of a seed: verify checksums, and how many bytes the capture cut off."""


def read_link_types(source: str) -> list[int]:
    """Return the link types that the target picks from, in its order."""
    found = re.search(r"link_types\[\] = \{([^}]*)\}", source)
    if not found:
        raise SystemExit("make_seeds: fuzz_decode.c: expected the list link_types, found none")
    return [int(number) for number in found.group(1).split(",")]


def read_samples(source: str) -> list[tuple[str, int, bytes]]:
    """Return name, link type and bytes of each sample."""
    rows = re.findall(r'\{"(\w+)", (\d+),((?:\s*"[0-9a-f]+")+)\}', source)
    if not rows:
        raise SystemExit("make_seeds: samples.c: expected sample frames, found none")
    return [
        (name, int(link_type), bytes.fromhex("".join(re.findall(r'"([0-9a-f]+)"', text))))
        for name, link_type, text in rows
    ]


def main(target: Path, samples: Path, directory: Path) -> None:
    """Write the seeds into the directory."""
    link_types = read_link_types(target.read_text())
    directory.mkdir(exist_ok=True)
    for name, link_type, frame in read_samples(samples.read_text()):
        for switch, value in SWITCHES.items():
            prefix = bytes([link_types.index(link_type), value])
            body = frame[:-8] if switch == "cut" else frame
            (directory / f"{name}-{switch}").write_bytes(prefix + body)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
