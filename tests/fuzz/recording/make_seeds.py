# SPDX-License-Identifier: Apache-2.0
"""Write seeds for fuzz_recording: segments with every type of block.

Usage: make_seeds.py DIRECTORY. The build calls it. fuzz_recording.c puts checksums right.
"""

import struct
import sys
from pathlib import Path

FRAME = (
    bytes.fromhex(
        "020000000001020000000002080045000026000100004011f6aac0000201c633640203e8003500120000"
    )
    + b"0123456789"
)


def header(size: int) -> bytes:
    """Return room for a segment's header, which the target fills in."""
    return bytes(size)


def block(kind: int, content: bytes) -> bytes:
    """Return a block, padded."""
    whole = struct.pack("<IIII", 0, len(content), 0, kind) + content
    return whole + bytes(-len(whole) % 8)


def burst(clock: int, *frames: bytes) -> bytes:
    """Return a burst of frames."""
    heads = b"".join(struct.pack("<QIIHHHH", 0, len(f), len(f), 1, 0, 0, 0) for f in frames)
    return block(1, struct.pack("<QHHI", clock, 0, len(frames), 0) + heads + b"".join(frames))


def main() -> None:
    """Write the seeds."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    head = header(int(sys.argv[2]))
    start = 1_700_000_000_000_000_000
    second = 1_000_000_000
    blocks = [
        block(2, struct.pack("<QQ", start, 0)),
        burst(start + 1, FRAME, FRAME[:20], FRAME),
        block(3, struct.pack("<IiHHHH", 0, 0, 1, 0, 0, 0)),
        block(3, struct.pack("<IiHHHH", 1, -90, 1, 0, 0, 0)),
        block(6, struct.pack("<QQ", 1, 1)),
        burst(start + second, *[FRAME] * 8),
        block(2, struct.pack("<QQ", start + 40 * second, 1)),
        block(4, struct.pack("<II", 1, 0)),
        block(5, struct.pack("<HHI", 0, 1, 0)),
        block(7, struct.pack("<Q", 0)),
    ]
    whole = head + b"".join(blocks)
    without_swaps = head + b"".join(blocks[:7] + blocks[9:])
    for name, switches, content in (
        ("whole", 0x08, whole),
        ("finished", 0x08, without_swaps),
        ("tap", 0x00, without_swaps),
        ("until", 0x18, without_swaps),
        ("middle", 0x28, without_swaps),
        ("raw", 0x04, whole),
        ("several", 0x0A, without_swaps * 3),
    ):
        (directory / name).write_bytes(bytes([switches]) + content)


if __name__ == "__main__":
    main()
