# SPDX-License-Identifier: Apache-2.0
"""Write small captures of each format and byte order for fuzz_pcap_reader.

Usage: make_seeds.py DIRECTORY. The build calls it.
"""

import struct
import sys
from pathlib import Path

FRAME = bytes(range(60))
PCAP_MAGICS = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D, "modified": 0xA1B2CD34}


def make_pcap(order: str, magic: int) -> bytes:
    """Return a capture of two frames."""
    header = struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65535, 1)
    record = struct.pack(f"{order}IIII", 1700000000, 5, len(FRAME), len(FRAME))
    if magic == PCAP_MAGICS["modified"]:
        record += bytes(8)
    return header + 2 * (record + FRAME)


def make_block(order: str, kind: int, body: bytes) -> bytes:
    """Return a pcapng block, padded, with its length at both ends."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def make_pcapng(order: str) -> bytes:
    """Return a section of two interfaces and a packet block of each kind."""
    section = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    resolution = struct.pack(f"{order}HHBxxx", 9, 1, 9)
    binary = struct.pack(f"{order}HHBxxx", 9, 1, 0x80 | 20)
    offset = struct.pack(f"{order}HHqHH", 14, 8, 3600, 0, 0)
    frame_lengths = struct.pack(f"{order}II", len(FRAME), len(FRAME))
    return b"".join(
        make_block(order, kind, body)
        for kind, body in (
            (0x0A0D0D0A, section),
            (1, struct.pack(f"{order}HHI", 1, 0, 0) + resolution + offset),
            (1, struct.pack(f"{order}HHI", 101, 0, 40) + binary),
            (6, struct.pack(f"{order}III", 1, 5, 6) + frame_lengths + FRAME),
            (3, struct.pack(f"{order}I", len(FRAME)) + FRAME),
            (2, struct.pack(f"{order}HHII", 0, 1, 5, 6) + frame_lengths + FRAME),
            (5, bytes(12)),
        )
    )


def main(directory: Path) -> None:
    """Write the seeds into the directory."""
    directory.mkdir(exist_ok=True)
    for order_name, order in (("little", "<"), ("big", ">")):
        for name, magic in PCAP_MAGICS.items():
            (directory / f"pcap-{name}-{order_name}").write_bytes(make_pcap(order, magic))
        (directory / f"pcapng-{order_name}").write_bytes(make_pcapng(order))
    (directory / "pcapng-both").write_bytes(make_pcapng("<") + make_pcapng(">"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
