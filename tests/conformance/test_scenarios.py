# SPDX-License-Identifier: Apache-2.0
"""Scenarios written by hand: each in C, in Lua and mixed, whatever the burst and the workers."""

from pathlib import Path

import pytest
from ways import Case, differences, load_case, log_differences, run_case

CASES = [load_case(path) for path in sorted((Path(__file__).parent / "scenarios").glob("*.yml"))]


@pytest.mark.parametrize(
    ("case", "languages"),
    [
        pytest.param(case, languages, id=f"{case.name}-{languages}")
        for case in CASES
        for languages in case.languages
    ],
)
def test_scenario(case: Case, languages: str, made: Path, tmp_path: Path) -> None:
    for burst in case.scenario.run.bursts:
        for workers in case.scenario.run.workers:
            outcome = run_case(case, languages, burst, workers, made, tmp_path / "run")
            found = differences(case, outcome, tmp_path / "run")
            found += log_differences(case, outcome, is_ordered=workers == 1)
            assert not found, f"burst {burst}, workers {workers}:\n" + "\n".join(found)
