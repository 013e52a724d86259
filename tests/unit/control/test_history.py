# SPDX-License-Identifier: Apache-2.0
"""Old policies stay known, up to a number, whatever happens to a file."""

import pytest

from stellar.control.history import PolicyHistory, PolicyState


def make_state(generation, text="rules: [{name: web}]\n"):
    return PolicyState(generation, "web.yml", "2026-01-02T00:00:00+00:00", text)


@pytest.fixture
def history(tmp_path):
    return PolicyHistory(tmp_path / "policies")


def test_policy_is_found_by_its_generation(history):
    history.add(make_state(1))
    history.add(make_state(2, "rules: []\n"))

    assert history.get(1) == make_state(1)
    assert history.get(3) is None
    assert history.latest() == make_state(2, "rules: []\n")


def test_nothing_is_known_before_the_first(history):
    assert history.latest() is None
    assert history.latest_generation() == 0
    assert history.rules(1) == ()


def test_oldest_are_forgotten(history):
    for generation in range(1, 31):
        history.add(make_state(generation))

    assert history.get(14) is None and history.rules(14) == ()
    assert history.get(15) == make_state(15)
    assert history.latest_generation() == 30


def test_rules_are_named_in_order(history):
    history.add(make_state(1, "rules: [{name: b}, {name: a}]\n"))

    assert history.rules(1) == ("b", "a")


@pytest.mark.parametrize("text", ["", "{", "rules: {}\n", "[]", "other: 1\n"])
def test_text_without_rules_has_no_names(history, text):
    history.add(make_state(1, text))

    assert history.rules(1) == ()


@pytest.mark.parametrize("damage", ["", "{", '{"name": "x"}', "[]"])
def test_damaged_file_hides_no_other(history, tmp_path, damage):
    history.add(make_state(1))
    history.add(make_state(2))
    (tmp_path / "policies" / "2.json").write_text(damage)

    assert history.get(2) is None
    assert history.latest() == make_state(1)
    assert history.latest_generation() == 2


def test_file_of_somebody_else_is_left_alone(history, tmp_path):
    history.add(make_state(1))
    (tmp_path / "policies" / "notes.json").write_text("mine")

    assert history.latest() == make_state(1)
