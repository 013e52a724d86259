# SPDX-License-Identifier: Apache-2.0
"""Write seeds for fuzz_engine: scripts of sessions, and plugins that do everything.

Usage: make_seeds.py DIRECTORY. The build calls it. fuzz_engine.c has the format.
"""

import random
import sys
from pathlib import Path

TAP = 0x10
SWITCHES = {"wire": 0x2B, "open": 0x03, "strict": 0x09, "tap": TAP | 0x02, "inline_tap": TAP | 0x0B}
"""First byte of a seed by its name."""

SYN, SYN_ACK, ACK, FIN, RST = 0x02, 0x12, 0x10, 0x11, 0x04


def tcp(port: int, sequence: int, acknowledgment: int, flags: int, *, reverse: bool) -> bytes:
    """Return what makes a TCP frame."""
    return bytes([16 if reverse else 0, 0, port << 2, sequence, acknowledgment, flags])


def tcp_session(port: int) -> list[bytes]:
    """Return the frames of a session from its SYN to what comes after its end."""
    return [
        tcp(port, 10, 0, SYN, reverse=False),
        tcp(port, 20, 11, SYN_ACK, reverse=True),
        tcp(port, 11, 21, ACK, reverse=False),
        tcp(port, 11, 21, FIN, reverse=False),
        tcp(port, 21, 12, FIN, reverse=True),
        tcp(port, 12, 22, ACK, reverse=False),
        tcp(port, 50, 0, SYN, reverse=False),
        tcp(port, 51, 0, RST, reverse=False),
    ]


def other_frames(port: int) -> list[bytes]:
    """Return UDP and ICMP frames of both IP versions, and one of raw bytes."""
    kinds = (1, 17, 2, 9, 25, 10)
    return [bytes([kind, 0, port << 2 | 2]) for kind in kinds] + [bytes([3, 0, 4, 1, 2, 3, 4])]


def script(chance: random.Random, *, tap: bool) -> bytes:
    """Return a script: on a tap time and frame by turns, on a wire steps of all kinds."""
    frames = [frame for port in range(4) for frame in tcp_session(port) + other_frames(port)]
    steps = bytes([1, 1]) if tap else b""
    for frame in frames:
        time = bytes([chance.choice([20, 25, 30, 36])])
        if tap:
            steps += time + frame
        else:
            extra = [b"", b"\x00", b"\x04" + time, b"\x08\x01\x01"]
            steps += chance.choice(extra) + bytes([chance.choice([1, 0x41])]) + frame
    return steps


def main(directory: Path) -> None:
    """Write the seeds into the directory."""
    directory.mkdir(exist_ok=True)
    for name, switches in SWITCHES.items():
        for number in range(3):
            chance = random.Random(f"{name}{number}")
            steps = script(chance, tap=bool(switches & TAP))
            actions = bytes(chance.choice([0, chance.randrange(256)]) for _ in steps)
            seed = bytes([switches, number]) + steps + actions
            (directory / f"{name}-{number}").write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
