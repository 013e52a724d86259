# SPDX-License-Identifier: Apache-2.0
"""Write seeds for fuzz_stream: a few conversations in each mode and profile.

Usage: make_seeds.py DIRECTORY. The build calls it.
"""

import sys
from pathlib import Path

FIN, SYN, RST, PSH, ACK, URG = (1 << bit for bit in range(6))
REVERSE = 0x80
STRICT, MIDSTREAM, SMALL, READERS = 1, 2, 4, 8
VARIED, SCALE, TIMESTAMP = 0x40, 0x10, 0x20
PROFILES = 7


def segment(
    flags: int, place: int = 0, length: int = 0, *, ack: int = 0, options: int = VARIED,
    window: int = 0xFF, value: int = 0x61,
) -> bytes:  # fmt: skip
    """One step of the script; place and ack are distances from what comes next."""
    return bytes([flags, place & 0xFF, length, ack & 0xFF, window, options, 0, value])


GREETING = (
    segment(SYN, options=SCALE | TIMESTAMP | 7)
    + segment(SYN | ACK | REVERSE, options=SCALE | TIMESTAMP | 7)
    + segment(ACK, options=TIMESTAMP)
)
SCRIPTS = {
    "in_order": GREETING
    + b"".join(segment(ACK, 0, 20) + segment(ACK | REVERSE, 0, 30) for _ in range(4))
    + segment(ACK | FIN)
    + segment(ACK | FIN | REVERSE)
    + segment(ACK),
    "reversed": GREETING + b"".join(segment(ACK, 10 * i, 10) for i in range(9, -1, -1)),
    "every_other": GREETING
    + b"".join(segment(ACK, i, 1) for i in range(2, 60, 2))
    + b"".join(segment(ACK, 0, 1) for _ in range(30)),
    "overlaps": GREETING
    + b"".join(
        segment(ACK, start, length, value=0x61 + start)
        for start, length in ((10, 10), (5, 10), (15, 20), (8, 4), (12, 2), (30, 9), (1, 60))
    )
    + segment(ACK, 0, 5),
    "lost": GREETING + segment(ACK, 10, 10) + segment(ACK | REVERSE) + segment(ACK, 0, 5),
    "fast_open": segment(SYN, 0, 9) + segment(SYN | ACK | REVERSE, 0, 4) + segment(ACK, 0, 9),
    "reset": GREETING + segment(ACK, 5, 5) + segment(RST | REVERSE) + segment(ACK, 0, 5),
    "midstream": segment(ACK, 0, 9) + segment(ACK | REVERSE, 0, 9) + segment(ACK | URG, 0, 9),
    "simultaneous": segment(SYN) + segment(SYN | REVERSE) + segment(SYN | ACK) + segment(ACK, 0, 3),
}


def main(directory: Path) -> None:
    """Write the seeds into the directory."""
    directory.mkdir(exist_ok=True)
    for name, script in SCRIPTS.items():
        for profile in range(PROFILES):
            for switches in (MIDSTREAM, STRICT | READERS, MIDSTREAM | READERS, SMALL | MIDSTREAM):
                head = bytes([switches, profile * 0x11, profile])
                (directory / f"{name}-{profile}-{switches}").write_bytes(head + script)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
