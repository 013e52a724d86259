# SPDX-License-Identifier: Apache-2.0
"""Figures for people."""

import pytest

from stellar.cli.output import format_bytes, format_span, print_table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (61, "1m1s"), (3600, "1h"), (7260, "2h1m"),
     (90000, "1d1h")],
)  # fmt: skip
def test_span_has_at_most_two_units(seconds, text):
    assert format_span(seconds * 1_000_000_000) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (5 << 40, "5.0TiB")]
)
def test_bytes_keep_short(count, text):
    assert format_bytes(count) == text


def test_table_lines_up_figures_to_the_right(capsys):
    print_table(("name", "count"), [("a", 5), ("bb", 100)])

    assert capsys.readouterr().out == "NAME  COUNT\na         5\nbb      100\n"


def test_empty_table_has_headings(capsys):
    print_table(("name", "count"), [])

    assert capsys.readouterr().out == "NAME  COUNT\n"
