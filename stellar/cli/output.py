# SPDX-License-Identifier: Apache-2.0
"""What commands print: JSON, tables, and figures for people."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["format_bytes", "format_endpoint", "format_span", "print_json", "print_table"]


def print_json(value: object) -> None:
    """A value as indented JSON on standard output."""
    print(json.dumps(value, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under headings; numbers to the right, everything else to the left."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    is_figure = [
        bool(cells) and all(row[column][:1].isdigit() and " " not in row[column] for row in cells)
        for column in range(len(headings))
    ]
    for row in ([heading.upper() for heading in headings], *cells):
        padded = (
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(row, widths, is_figure, strict=True)
        )
        print("  ".join(padded).rstrip())


def format_endpoint(endpoint: dict[str, Any]) -> str:
    """An address and its port, as in a URL."""
    address, port = endpoint["address"] or "-", endpoint["port"]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def format_span(nanoseconds: int) -> str:
    """A span of time in at most two units."""
    seconds = max(nanoseconds, 0) // 1_000_000_000
    for size, unit, below, small in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size}{unit}{rest}{small}" if rest else f"{seconds // size}{unit}"
    return f"{seconds}s"


def format_bytes(count: int) -> str:
    """A number of bytes in a unit that keeps it short."""
    figure = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if figure < 1024:
            return f"{figure:.0f}{unit}" if unit == "B" else f"{figure:.1f}{unit}"
        figure /= 1024
    return f"{figure:.1f}TiB"
