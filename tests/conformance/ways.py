# SPDX-License-Identifier: Apache-2.0
"""Runs one case in many ways: languages, bursts, workers. What plugins log must be the same."""

import difflib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scripted_plugins import EVENTS_DEFAULT, Plugin, make_plugin

from stellar.engine.scenario import ScenarioRun, run_scenario
from stellar.scenario import Outcome, PluginChoice, Scenario, compare, load_scenario

__all__ = [
    "LANGUAGES",
    "Case",
    "difference",
    "differences",
    "load_case",
    "log_by_session",
    "log_differences",
    "run_case",
]

LANGUAGES: Mapping[str, Sequence[str]] = {
    "c": ("c",),
    "lua": ("lua",),
    "c_lua": ("c", "lua"),
    "lua_c": ("lua", "c"),
}
"""Of the plugins in turn."""
_FAILURE = "as the script says"  # scripted.lua, when its script makes it fail
_SESSION_CAPACITY = 1024
_C_ONLY = ("init:", "own=", "timer=")


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
        """Those it can be run in: Lua has no context_init, no memory of its own, no timers."""
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
        key: tuple(values.pop(key, " ".join(EVENTS_DEFAULT) if key == "events" else "").split())
        for key in ("events", "before", "after", "raises", "hears")
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


def differences(case: Case, outcome: Outcome, into: Path) -> list[str]:
    """Everything that is not as expected, but for the log."""
    is_failing = any("fail" in plugin.script for plugin in case.plugins)
    problems = [each for each in outcome.problems if not (is_failing and _FAILURE in each)]
    scenario = replace(case.scenario, expect=replace(case.scenario.expect, log=None))
    lines = [str(each) for each in compare(scenario, replace(outcome, problems=problems))]
    return lines + list(_ledger_problems(into))


def log_differences(case: Case, outcome: Outcome, *, is_ordered: bool) -> list[str]:
    """What was logged, unlike the case's log. Unless ordered: in each session for itself."""
    found = _lines(outcome)
    is_single = len({label for label, _, _ in found}) == 1
    lines = [
        (label, f"{name}: {text if is_single else f'{label} {text}'}")
        for label, name, text in found
    ]
    if is_ordered or is_single:
        return difference(case.log, [line for _, line in lines])
    result: list[str] = []
    for session in sorted({*_labels(case.log), *(label for label, _ in lines)}):
        expected = [line for line in case.log if f": {session} " in line]
        result += difference(expected, [line for label, line in lines if label == session])
    return result


def log_by_session(outcome: Outcome) -> dict[str, list[str]]:
    """What was logged in each session, by its label, without it."""
    sessions: dict[str, list[str]] = {}
    for label, name, text in _lines(outcome):
        sessions.setdefault(label, []).append(f"{name}: {text}")
    return sessions


def difference(expected: Sequence[str], found: Sequence[str]) -> list[str]:
    """Lines of a difference; none when there is none."""
    if list(expected) == list(found):
        return []
    lines = difflib.ndiff(list(expected), list(found))
    return ["log: (- expected, + found)", *(line for line in lines if not line.startswith("?"))]


def _lines(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Label of the session, plugin and text."""
    texts = [each["plugin"] for each in outcome.events if each["event_type"] == "plugin"]
    words = [(each["name"], *each["text"].split(" ", 1)) for each in texts]
    return [(label, name, text) for name, label, text in words]


def _labels(log: Sequence[str]) -> list[str]:
    words = [line.split(" ", 2)[1] for line in log]
    return [word for word in words if "/" in word]


def _ledger_problems(into: Path) -> Iterator[str]:
    """Of plugins in C: each context and each value was freed, once."""
    for path in sorted(into.glob("*.ledger")):
        counts = {key: int(value) for key, value in map(str.split, path.read_text().splitlines())}
        for kind in ("contexts", "values"):
            if counts[f"{kind}_made"] != counts[f"{kind}_freed"]:
                yield f"{path.stem}: {kind}: {counts}"
        if counts["contexts_wrong"] != 0:
            yield f"{path.stem}: contexts freed twice, or not begun with zeros: {counts}"
