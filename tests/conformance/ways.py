# SPDX-License-Identifier: Apache-2.0
"""Runs one case in many ways: languages, bursts, workers. What plugins log must be the same."""

import difflib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripted_plugins import EVENTS_DEFAULT, Plugin, make_plugin

from stellar.engine.scenario import ScenarioRun, run_scenario
from stellar.scenario import Outcome, PluginChoice, Scenario, compare, load_scenario

__all__ = ["LANGUAGES", "Case", "differences", "load_case", "log_of", "run_case"]

LANGUAGES: Mapping[str, Sequence[str]] = {
    "c": ("c",),
    "lua": ("lua",),
    "c_lua": ("c", "lua"),
    "lua_c": ("lua", "c"),
}
"""Of the plugins in turn."""
_FAILURE = "as the script says"  # scripted.lua, when its script makes it fail
_SESSION_CAPACITY = 1024
_C_ONLY = ("init:", "own=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Traffic, plugins, and what must come of them."""

    name: str
    scenario: Scenario
    plugins: tuple[Plugin, ...]
    log: tuple[str, ...]
    """`PLUGIN: TEXT`; of one session without its label."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Those it can be run in: Lua has no context_init, and no memory of its own to free."""
        is_c_only = any(word in plugin.script for plugin in self.plugins for word in _C_ONLY)
        return ("c",) if is_c_only else tuple(LANGUAGES)


def load_case(path: Path) -> Case:
    """A file of `scenarios/`: its plugins are names, their settings say what they are."""
    scenario = load_scenario(path)
    plugins = tuple(_read_plugin(each) for each in scenario.run.plugins or ())
    log = tuple(scenario.expect.log or ())
    return Case(name=path.stem, scenario=scenario, plugins=plugins, log=log)


def _read_plugin(choice: PluginChoice) -> Plugin:
    values = dict(choice.settings)
    words = {
        key: tuple(values.pop(key, default).split())
        for key, default in (("events", " ".join(EVENTS_DEFAULT)), ("before", ""), ("after", ""))
    }
    return Plugin(name=choice.path, **words, **values)  # type: ignore[arg-type]


def run_case(
    case: Case, languages: str, burst: int, workers: int, made: Path, into: Path
) -> Outcome:
    """Run it one way; `made` keeps the plugins."""
    choices = []
    turns = LANGUAGES[languages]
    for position, plugin in enumerate(case.plugins):
        language = turns[position % len(turns)]
        settings = {"script": plugin.script}
        if language == "c":
            settings["ledger"] = str(into / f"{plugin.name}.ledger")
        choices.append(PluginChoice(str(make_plugin(plugin, language, made)), settings))
    shutil.rmtree(into, ignore_errors=True)
    settings = {"session_capacity": _SESSION_CAPACITY, **case.scenario.run.settings}
    scenario = replace(case.scenario, run=replace(case.scenario.run, settings=settings))
    how = ScenarioRun(plugins=choices, folder=made, burst_size=burst, workers=workers)
    return run_scenario(scenario, into, how)


def differences(case: Case, outcome: Outcome, into: Path, *, is_ordered: bool) -> list[str]:
    """Everything that is not as expected. Unless ordered: the order within each session is."""
    is_failing = any("fail" in plugin.script for plugin in case.plugins)
    problems = [each for each in outcome.problems if not (is_failing and _FAILURE in each)]
    scenario = replace(case.scenario, expect=replace(case.scenario.expect, log=None))
    lines = [str(each) for each in compare(scenario, replace(outcome, problems=problems))]
    found = log_of(outcome.events)
    if is_ordered:
        lines += _difference(case.log, found)
    else:
        expected_by_session, found_by_session = _by_session(case.log), _by_session(found)
        for session in sorted({*expected_by_session, *found_by_session}):
            lines += _difference(
                expected_by_session.get(session, []), found_by_session.get(session, [])
            )
    return lines + list(_ledger_problems(into))


def log_of(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What plugins logged; the label of the session is left out when there is one only."""
    found = [
        (each["plugin"]["name"], *each["plugin"]["text"].split(" ", 1))
        for each in events
        if each["event_type"] == "plugin"
    ]
    is_single = len({label for _, label, _ in found}) == 1
    return [f"{name}: {text if is_single else f'{label} {text}'}" for name, label, text in found]


def _by_session(log: Sequence[str]) -> dict[str, list[str]]:
    sessions: dict[str, list[str]] = {}
    for line in log:
        word = line.split(" ", 2)[1]
        sessions.setdefault(word if "/" in word else "", []).append(line)
    return sessions


def _difference(expected: Sequence[str], found: Sequence[str]) -> list[str]:
    if list(expected) == list(found):
        return []
    lines = difflib.ndiff(list(expected), list(found))
    return ["log: (- expected, + found)", *(line for line in lines if not line.startswith("?"))]


def _ledger_problems(into: Path) -> Iterator[str]:
    """Of plugins in C: each context and each value was freed, once."""
    for path in sorted(into.glob("*.ledger")):
        counts = {key: int(value) for key, value in map(str.split, path.read_text().splitlines())}
        for kind in ("contexts", "values"):
            if counts[f"{kind}_made"] != counts[f"{kind}_freed"]:
                yield f"{path.stem}: {kind}: {counts}"
        if counts["contexts_wrong"] != 0:
            yield f"{path.stem}: contexts freed twice, or not begun with zeros: {counts}"
