# SPDX-License-Identifier: Apache-2.0
"""Every scenario: what it must give, whatever the burst, with each packet accounted for."""

from functools import cache
from pathlib import Path

import pytest
from scenario import (
    FOLDER,
    Outcome,
    count_frames,
    count_matches,
    lookup,
    lost_in_engine,
    made_by_engine,
    read_scenario,
    replay,
    scenario_names,
    without_zeros,
)

WHOLE_BURST = 64


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenarios")


@cache
def outcome_of(
    workshop: Path, name: str, burst_size: int, variant: int, workers: int = 1
) -> Outcome:
    into = workshop / name / f"{burst_size}-{variant}-{workers}"
    scenario = read_scenario(name)
    return replay(scenario, into, burst_size=burst_size, variant=variant, workers=workers)


@pytest.fixture(params=scenario_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def outcome(workshop: Path, name: str) -> Outcome:
    return outcome_of(workshop, name, WHOLE_BURST, 0)


def test_scenario_says_where_it_comes_from(name: str) -> None:
    assert "provenance" in (FOLDER / name / "README.md").read_text().lower()


def test_capture_is_read_to_its_end(outcome: Outcome) -> None:
    assert outcome.problems == []
    assert outcome.stats["packets"]["received"] == len(outcome.input) > 0


def test_events_are_as_expected(name: str, outcome: Outcome) -> None:
    expected = [(each["filter"], each["count"]) for each in read_scenario(name).events]

    found = [(each, count_matches(outcome.event_list, each)) for each, _ in expected]

    assert found == expected


def test_counters_are_as_expected(name: str, outcome: Outcome) -> None:
    expected = read_scenario(name).stats

    found = {place: without_zeros(lookup(outcome.stats, place)) for place in expected}

    assert found == expected


def test_frames_that_left_are_as_expected(name: str, outcome: Outcome) -> None:
    expected = [(each["filter"], each["count"]) for each in read_scenario(name).output]

    found = [(each, count_frames(outcome.output, each)) for each, _ in expected]

    assert found == expected


@pytest.mark.parametrize("burst_size", [1, 7])
def test_burst_size_can_not_be_seen(
    workshop: Path, name: str, burst_size: int, outcome: Outcome
) -> None:
    smaller = outcome_of(workshop, name, burst_size, 0)

    assert smaller.events == outcome.events
    assert smaller.written == outcome.written
    assert smaller.stats == outcome.stats


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize(
    "name", [name for name in scenario_names() if not read_scenario(name).by_worker]
)
def test_number_of_workers_can_not_be_seen(
    workshop: Path, name: str, workers: int, outcome: Outcome
) -> None:
    several = outcome_of(workshop, name, WHOLE_BURST, 0, workers)

    assert several.sessions == outcome.sessions
    assert several.written == outcome.written
    assert several.stats == outcome.stats


def test_several_workers_give_the_same_again(workshop: Path, name: str) -> None:
    once = outcome_of(workshop, name, WHOLE_BURST, 0, 3)

    again = outcome_of(workshop, name, 7, 0, 3)

    assert again.events == once.events
    assert again.written == once.written
    assert again.stats == once.stats


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, i) for name in scenario_names() for i in range(1, len(read_scenario(name).variants))],
)
def test_variants_give_the_same(workshop: Path, name: str, variant: int, outcome: Outcome) -> None:
    other = outcome_of(workshop, name, WHOLE_BURST, variant)

    assert other.events == outcome.events
    assert other.written == outcome.written
    assert other.stats == outcome.stats


def test_same_run_again_gives_the_same(workshop: Path, name: str, outcome: Outcome) -> None:
    again = replay(read_scenario(name), workshop / name / "again", burst_size=WHOLE_BURST)

    assert (again.events, again.written, again.stats) == (
        outcome.events,
        outcome.written,
        outcome.stats,
    )


def test_packets_are_conserved(outcome: Outcome) -> None:
    packets = outcome.stats["packets"]

    left = packets["forwarded"] + packets["local"] + packets["held"]

    assert packets["received"] + packets["generated"] == left + sum(packets["dropped"].values())


def test_counters_equal_a_count_of_the_frames_that_came_out(outcome: Outcome) -> None:
    packets = outcome.stats["packets"]

    assert packets["forwarded"] == len(outcome.output)
    assert packets["generated"] == made_by_engine(outcome).total()
    assert sum(packets["dropped"].values()) == lost_in_engine(outcome).total()


def test_order_of_frames_is_kept(name: str, outcome: Outcome) -> None:
    # All, or, when frames are held back, those with the same addresses (IPv4 over Ethernet).
    way = slice(26, 34) if read_scenario(name).holds else slice(0)
    made = made_by_engine(outcome)
    came_in = {
        each[way]: iter([data for data in outcome.input if data[way] == each[way]])
        for each in outcome.input
    }

    assert all(data in came_in[data[way]] for data in outcome.output if data not in made)


def test_events_come_in_the_order_of_time(outcome: Outcome) -> None:
    times = [event["timestamp"] for event in outcome.event_list]

    assert times == sorted(times)


def test_each_dropped_packet_has_an_event_with_its_reason(outcome: Outcome) -> None:
    reasons: dict[str, int] = {}
    for event in outcome.of_type("drop"):
        reasons[event["drop"]["reason"]] = reasons.get(event["drop"]["reason"], 0) + 1

    assert reasons == without_zeros(outcome.stats["packets"]["dropped"])


def test_each_session_has_one_event_with_its_reason(outcome: Outcome) -> None:
    sessions = outcome.stats["sessions"]
    reasons: dict[str, int] = {}
    for event in outcome.of_type("flow"):
        reasons[event["flow"]["reason"]] = reasons.get(event["flow"]["reason"], 0) + 1

    assert reasons == without_zeros(sessions["closed"])
    assert (sessions["created"], sessions["active"]) == (sum(reasons.values()), 0)


def test_each_decode_event_is_counted_and_told(outcome: Outcome) -> None:
    counts: dict[str, int] = {}
    of_decoding = (
        event for event in outcome.of_type("anomaly") if event["anomaly"]["type"] == "decode"
    )
    for event in of_decoding:
        named = event["anomaly"]["event"].removeprefix("decoder.")
        counts[named] = counts.get(named, 0) + 1

    assert counts == outcome.stats["decode_events"]
