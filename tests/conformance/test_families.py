# SPDX-License-Identifier: Apache-2.0
"""Tables of the specification, cell by cell; many sessions at once give what one gives."""

from pathlib import Path

import pytest
from families import FAMILIES, Subject
from ways import LANGUAGES, Case, difference, differences, log_by_session, run_case

from stellar.scenario import parse_scenario

SESSIONS = 4


def make_case(subject: Subject, sessions: int, spacing_us: int) -> Case:
    """The subject's traffic, in several sessions side by side."""
    lines = ["---", f"spacing_us: {spacing_us}", "packets:"]
    for step in subject.traffic.steps:
        if step.startswith("wait_ms"):
            lines.append(f"  - {step}")
            continue
        for position in range(sessions):
            line = step.format(s=f"s{position}")
            has_name = line.startswith("open")
            lines.append(f"  - {{{line}{'' if has_name else f', in: s{position}'}}}")
    lines += [f"  - {line}" for line in subject.traffic.after]
    scenario = parse_scenario("\n".join(lines), subject.name)
    return Case(name=subject.name, scenario=scenario, plugins=subject.plugins, log=())


@pytest.mark.parametrize("languages", ["c", "lua", "mixed"])
@pytest.mark.parametrize("subject", FAMILIES, ids=lambda subject: subject.name)
def test_family(subject: Subject, languages: str, made: Path, tmp_path: Path) -> None:
    if languages == "mixed":
        languages = "c_lua" if FAMILIES.index(subject) % 2 == 0 else "lua_c"
    assert languages in LANGUAGES
    expected = subject.prediction
    for sessions, spacing_us, burst, workers in (
        (1, 1000, 1, 1),
        (SESSIONS, 0, 64, 1),
        (SESSIONS, 100, 1, 2),
    ):
        case = make_case(subject, sessions, spacing_us)
        into = tmp_path / "run"
        outcome = run_case(case, languages, burst, workers, made, into)
        found = differences(case, outcome, into)
        logs = log_by_session(outcome)
        for label in logs:
            found += difference(expected.log, logs[label])
        way = f"{sessions} sessions, burst {burst}, workers {workers}"
        assert len(logs) == sessions, way
        assert not found, f"{way}:\n" + "\n".join(found)
        dropped = {reason: n for reason, n in outcome.stats["packets"]["dropped"].items() if n}
        assert dropped == {reason: n * sessions for reason, n in expected.dropped.items()}, way
        for plugin in outcome.stats["plugins"]:
            counts = {key: expected.counts[plugin["name"]][key] * sessions
                      for key in ("calls", "errors", "detached", "takeovers")}  # fmt: skip
            assert {key: plugin[key] for key in counts} == counts, (way, plugin["name"])
