# SPDX-License-Identifier: Apache-2.0
"""Run the scenarios of a folder (its *.scenario.yml), and say what is not as they expect.

Each runs with bursts of 1 and of 64 packets, by 1 and by 2 workers, unless it says otherwise: what
comes of it must be the same. Exit code 1: one does not hold; 2: there is none, or one is wrong.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stellar.cli.failure import CommandError, ExitCode
from stellar.cli.output import print_json
from stellar.engine import StellarError
from stellar.engine.scenario import ScenarioRun, run_scenario
from stellar.personality import check_policy, compile_policy, open_policy
from stellar.scenario import (
    Difference,
    PluginChoice,
    Scenario,
    ScenarioError,
    compare,
    load_scenario,
)

__all__ = ["add_arguments", "run"]

_PATTERN = "*.scenario.yml"


@dataclass(frozen=True, slots=True)
class _Result:
    """One scenario, run one way."""

    file: str
    burst: int
    workers: int
    differences: list[Difference]

    @property
    def way(self) -> str:
        return f"burst {self.burst}, {self.workers} worker{'s' if self.workers > 1 else ''}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        type=Path,
        nargs="*",
        default=[Path()],
        metavar="PATH",
        help="scenarios, or folders of them (here)",
    )
    parser.add_argument(
        "--plugin", type=Path, action="append", metavar="F", help="instead of the scenario's; again"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep captures and events there"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run all of them."""
    scenarios = _load(_find(arguments.paths))
    results: list[_Result] = []
    with tempfile.TemporaryDirectory(prefix="stellar-") as temporary:
        into = arguments.keep or Path(temporary)
        for scenario in scenarios:
            results += _run_ways(scenario, into, arguments.plugin)
    if arguments.json:
        print_json({"passed": not _failed(results), "runs": [_describe(each) for each in results]})
    else:
        _print(results)
    return ExitCode.FAILED if _failed(results) else ExitCode.OK


def _find(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob(_PATTERN)) if path.is_dir() else [path]
        if not found:
            raise CommandError(f"{path}: expected {_PATTERN}, found none", ExitCode.USAGE)
        files += found
    return files


def _load(files: list[Path]) -> list[Scenario]:
    scenarios: list[Scenario] = []
    problems: list[str] = []
    for file in files:
        try:
            scenarios.append(load_scenario(file))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise CommandError("\n".join(problems), ExitCode.USAGE)
    return scenarios


def _run_ways(scenario: Scenario, into: Path, plugins: list[Path] | None) -> list[_Result]:
    chosen = scenario.run.plugins
    if plugins is not None:
        chosen = [PluginChoice(str(plugin.resolve())) for plugin in plugins]
    if chosen is None:
        raise CommandError(
            f"{scenario.file}: expected plugins under run, or --plugin, found neither",
            ExitCode.USAGE,
        )
    image = None
    if scenario.run.policy is not None:
        source = open_policy(Path(scenario.file).parent / scenario.run.policy)
        image = compile_policy(check_policy(source).policy, generation=1, file=source.file)
    results = []
    for workers in scenario.run.workers:
        for burst in scenario.run.bursts:
            how = ScenarioRun(plugins=chosen, policy_image=image, burst_size=burst, workers=workers)
            kept = into / f"{Path(scenario.file).stem}-{burst}-{workers}"
            try:
                differences = compare(scenario, run_scenario(scenario, kept, how))
            except ScenarioError as error:
                raise CommandError(str(error), ExitCode.USAGE) from error
            except StellarError as error:
                raise CommandError(f"{scenario.file}: {error}") from error
            results.append(_Result(scenario.file, burst, workers, differences))
    return results


def _failed(results: list[_Result]) -> list[_Result]:
    return [result for result in results if result.differences]


def _describe(result: _Result) -> dict[str, Any]:
    return {
        "file": result.file,
        "burst": result.burst,
        "workers": result.workers,
        "passed": not result.differences,
        "differences": [
            {"subject": each.subject, "expected": each.expected, "found": each.found}
            for each in result.differences
        ],
    }


def _print(results: list[_Result]) -> None:
    """Each scenario once; differences once for all the ways that give the same ones."""
    for file in dict.fromkeys(result.file for result in results):
        runs = [result for result in results if result.file == file]
        failed = _failed(runs)
        if not failed:
            print(f"{file}: passed, {len(runs)} runs")
            continue
        ways: dict[str, list[str]] = {}
        for result in failed:
            text = "\n".join(str(each) for each in result.differences)
            ways.setdefault(text, []).append(result.way)
        print(f"{file}: failed, {len(failed)} of {len(runs)} runs")
        for text, names in ways.items():
            print(f"  with {'; '.join(names)}:")
            print("\n".join(f"    {line}" for line in text.splitlines()))
    count = len({result.file for result in _failed(results)})
    if count:
        print(
            f"{count} of {len({each.file for each in results})} scenarios failed", file=sys.stderr
        )
