# SPDX-License-Identifier: Apache-2.0
"""The list of mutations stays true: each still finds its text, once."""

from pathlib import Path

from mutations import MUTATIONS

ROOT = Path(__file__).parents[2]


def test_each_mutation_applies_exactly_once() -> None:
    found = {m.name: (ROOT / m.file).read_text().count(m.before) for m in MUTATIONS}

    wrong = {name: count for name, count in found.items() if count != 1}
    assert not wrong, f"the source has moved on, find each a new text in mutations.py: {wrong}"


def test_mutations_change_something_and_have_names_of_their_own() -> None:
    names = [mutation.name for mutation in MUTATIONS]

    assert len(set(names)) == len(names)
    assert all(mutation.before != mutation.after for mutation in MUTATIONS)
