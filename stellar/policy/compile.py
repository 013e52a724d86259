# SPDX-License-Identifier: Apache-2.0
"""Builds the image that the engine takes: a header and a section for each plugin.

The format is described in `native/include/stellar/policy.h`. The same sections and generation give
the same bytes. What stands in a section is its personality's business.
"""

import struct
import zlib
from collections.abc import Mapping

__all__ = ["SIZE_BYTES_MAX", "build_image"]

MAGIC = b"STLRPOL1"
HEADER_SIZE = 24
SECTION_SIZE = 72
SECTIONS_MAX = 16
SIZE_BYTES_MAX = 64 << 20
PLUGIN_NAME_MAX = 63
_CHECKED_FROM = 24


def build_image(sections: Mapping[str, bytes], *, generation: int) -> bytes:
    """Join sections, by plugin name, into an image; sections are ordered by name.

    Raises ValueError for what no caller may ask: more than 16 sections, a name or an image too
    long, a generation outside of 1 to 2^32 - 1.
    """
    if not 0 < generation < 1 << 32:
        raise ValueError(f"generation {generation} is not from 1 to 2^32 - 1")
    if len(sections) > SECTIONS_MAX:
        raise ValueError(f"{len(sections)} sections, more than {SECTIONS_MAX}")
    offset = HEADER_SIZE + SECTION_SIZE * len(sections)
    entries: list[bytes] = []
    bodies: list[bytes] = []
    for name, body in sorted(sections.items()):
        encoded = name.encode("ascii")
        if not 0 < len(encoded) <= PLUGIN_NAME_MAX:
            raise ValueError(f"plugin name {name!r} is empty or too long")
        entries.append(struct.pack("<64sII", encoded, offset, len(body)))
        padding = -len(body) % 8  # sections begin at multiples of 8
        bodies.append(body + bytes(padding))
        offset += len(body) + padding
    if offset > SIZE_BYTES_MAX:
        raise ValueError(f"an image of {offset} bytes, more than {SIZE_BYTES_MAX}")
    rest = b"".join(entries + bodies)
    checksum = zlib.crc32(rest)
    return struct.pack("<8sIIII", MAGIC, offset, generation, len(sections), checksum) + rest
