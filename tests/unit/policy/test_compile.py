# SPDX-License-Identifier: Apache-2.0
"""The image is what native/include/stellar/policy.h says."""

import re
import struct
import zlib
from pathlib import Path

import pytest

from stellar.policy import compile as image

HEADER = Path(__file__).parents[3] / "native" / "include" / "stellar" / "policy.h"


def _define(name: str) -> str:
    found = re.search(rf"^#define {name} (.+)$", HEADER.read_text(), re.MULTILINE)
    assert found, name
    return found[1]


def test_constants_are_those_of_the_header() -> None:
    assert _define("STELLAR_POLICY_MAGIC") == f'"{image.MAGIC.decode()}"'
    assert int(_define("STELLAR_POLICY_HEADER_SIZE")) == image.HEADER_SIZE
    assert int(_define("STELLAR_POLICY_SECTION_SIZE")) == image.SECTION_SIZE
    assert int(_define("STELLAR_POLICY_SECTIONS_MAX")) == image.SECTIONS_MAX
    assert _define("STELLAR_POLICY_SIZE_MAX") == f"({image.SIZE_BYTES_MAX >> 20}u << 20)"


def test_an_image_has_header_checksum_and_sections() -> None:
    built = image.build_image({"zeta": b"12345678", "alpha": b"abc"}, generation=7)

    magic, size, generation, count, checksum = struct.unpack_from("<8sIIII", built)
    assert (magic, size, generation, count) == (b"STLRPOL1", len(built), 7, 2)
    assert checksum == zlib.crc32(built[24:])
    sections = {}
    for position in range(count):
        name, offset, length = struct.unpack_from("<64sII", built, 24 + 72 * position)
        sections[name.rstrip(b"\0")] = built[offset : offset + length]
    assert sections == {b"alpha": b"abc", b"zeta": b"12345678"}


def test_the_order_of_sections_does_not_change_the_image() -> None:
    first = image.build_image({"a": b"1", "b": b"2"}, generation=1)

    assert image.build_image({"b": b"2", "a": b"1"}, generation=1) == first


@pytest.mark.parametrize("generation", [0, -1, 1 << 32])
def test_a_generation_out_of_range_is_refused(generation: int) -> None:
    with pytest.raises(ValueError, match="generation"):
        image.build_image({}, generation=generation)


def test_too_many_sections_are_refused() -> None:
    with pytest.raises(ValueError, match="17 sections"):
        image.build_image({f"p{i}": b"" for i in range(17)}, generation=1)
