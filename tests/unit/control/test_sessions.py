# SPDX-License-Identifier: Apache-2.0
"""Pages of sessions are complete and without repetition, whatever the filter and the limit."""

import asyncio

import pytest

from stellar.control.sessions import SessionFilter, explain, find, page


class PagedEngine:
    """Gives sessions in pages of three, with the engine's kind of cursor."""

    def __init__(self, count):
        self.records = [
            {
                "id": number,
                "protocol": 17 if number % 4 == 0 else 6,
                "state": "active",
                "generation": 1,
                "originator": {"address": "192.0.2.1", "port": number},
                "responder": {"address": "2001:db8::1", "port": 80},
            }
            for number in range(count)
        ]

    async def call(self, name, *, limit, cursor="0"):
        first = int(cursor)
        following = first + 3
        is_last = following >= len(self.records)
        return {
            "sessions": self.records[first:following],
            "cursor": None if is_last else str(following),
        }


def read_all(engine, wanted, limit):
    async def main():
        pages, cursor = [], None
        while True:
            found, cursor = await page(engine, wanted, limit, cursor)
            pages.append([record["id"] for record in found])
            if cursor is None:
                return pages

    return asyncio.run(main())


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 10, 11, 100])
@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_pages_join_to_the_whole_table(count, limit):
    pages = read_all(PagedEngine(count), SessionFilter(), limit)

    assert [number for numbers in pages for number in numbers] == list(range(count))
    assert all(len(numbers) <= limit for numbers in pages)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_of_a_filter_join_to_all_that_match(limit):
    pages = read_all(PagedEngine(10), SessionFilter.parse({"protocol": "udp"}), limit)

    assert [number for numbers in pages for number in numbers] == [0, 4, 8]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"protocol": "6"}, True),
        ({"protocol": "icmp"}, False),
        ({"address": "2001:DB8:0::1"}, True),
        ({"address": "192.0.2.2"}, False),
        ({"port": "80"}, True),
        ({"port": "81"}, False),
        ({"state": "active"}, True),
        ({"state": "closing"}, False),
        ({"generation": "1"}, True),
        ({"generation": "2"}, False),
        ({"address": "192.0.2.1", "port": "80", "protocol": "tcp"}, True),
    ],
)
def test_filter_looks_at_both_ends(query, matches):
    record = PagedEngine(2).records[1]

    assert SessionFilter.parse(query).matches(record) is matches


def test_session_is_found_by_its_id_on_any_page():
    assert asyncio.run(find(PagedEngine(10), 9))["id"] == 9
    assert asyncio.run(find(PagedEngine(10), 10)) is None


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"generation": 0, "rule_id": 0}, "allowed: no policy was in force when it was judged"),
        (
            {"generation": 2, "rule_id": 0, "blocked": True},
            "denied by no rule of policy generation 2: its default or the engine decided",
        ),
        (
            {"generation": 2, "rule_id": 1, "rule": "web"},
            "allowed by rule 1 (web) of policy generation 2",
        ),
        ({"generation": 2, "rule_id": 9}, "allowed by rule 9 of policy generation 2"),
        (
            {"generation": 1, "rule_id": 1},
            "allowed by rule 1 of policy generation 1 (generation 2 is in force now)",
        ),
        (
            {"generation": 1, "rule_id": 1, "rule": "old"},
            "allowed by rule 1 (old) of policy generation 1 (generation 2 is in force now)",
        ),
    ],
)
def test_verdict_is_explained(record, sentence):
    assert explain(record, 2) == sentence
