# SPDX-License-Identifier: Apache-2.0
"""Run captures through the engine, offline, as fast as it can and the same way every time.

Each capture is a run of its own. Exit code 1: a capture could not be read to its end; what came
before that is counted.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stellar.cli.failure import CommandError, ExitCode
from stellar.cli.policy_file import open_policy_file
from stellar.cli.recording import replay_recording
from stellar.cli.stats import print_stats
from stellar.control.observers import ObserverFailed, watch
from stellar.engine import limit_defaults, names
from stellar.engine.plugins import personality_plugin
from stellar.engine.replay import EVENT_TYPES, ReplayOptions
from stellar.engine.replay import run as run_replay
from stellar.personality import check_policy, compile_policy

__all__ = ["add_arguments", "run"]

_PERSONALITIES = ("firewall",)
_WORKERS_MAX = 64
_LATER_PERSONALITIES = ("load_balancer", "ids")


@dataclass(frozen=True, slots=True)
class _Setting:
    """What --set can change: a number, its limits and its default."""

    minimum: int
    maximum: int
    default: int


_SETTINGS: Mapping[str, _Setting] = {
    "burst_size": _Setting(1, 64, 64),
    "session_capacity": _Setting(64, (1 << 31) - 2, 1 << 20),
    "tunnel_parents": _Setting(0, 1, 0),
    **{name: _Setting(1, 1 << 40, value) for name, value in limit_defaults().items()},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "captures",
        type=Path,
        nargs="+",
        metavar="CAPTURE",
        help="pcap or pcapng; or one directory that `stellar run --record` left",
    )
    parser.add_argument("--personality", metavar="P", help="firewall (with --policy by itself)")
    parser.add_argument("--policy", type=Path, dest="file", metavar="F", help="policy or template")
    parser.add_argument(
        "--vars", type=Path, action="append", metavar="F", help="variables of the template"
    )
    parser.add_argument("--rules", metavar="F", help="IDS rules: not in this version, refused")
    parser.add_argument(
        "--plugin", type=Path, action="append", default=[], metavar="F", help=".so or .lua; again"
    )
    parser.add_argument(
        "--observer", type=Path, action="append", default=[], metavar="F",
        help="Python file that gets events in batches, in a process of its own; again",
    )  # fmt: skip
    parser.add_argument("--inline", action="store_true", help="verdicts bite: drops do not leave")
    parser.add_argument(
        "--checksums",
        choices=("verify", "ignore"),
        default="verify",
        help="packets with wrong checksums (%(default)s)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        help=f"one of {', '.join(_SETTINGS)}; or PLUGIN.KEY=VALUE, a setting of a plugin",
    )
    parser.add_argument(
        "--target-profile",
        choices=names()["target_profile"],
        default="linux",
        metavar="P",
        help="how hosts put overlapping pieces together: %(choices)s (%(default)s)",
    )
    parser.add_argument(
        "--until",
        metavar="K=V[,K=V]",
        help="of a recording: stop at the first event with these keys (or at time=T)",
    )
    parser.add_argument("--events", metavar="F", help="write EVE JSON; - is standard output")
    parser.add_argument(
        "--event-types",
        metavar="T,T",
        help=f"which of them ({','.join(EVENT_TYPES)}; of a recording: those of the run)",
    )
    parser.add_argument("--write", type=Path, metavar="OUT", help="capture of what leaves")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="how many judge the packets (%(default)s)",
    )
    parser.add_argument(
        "--stats", metavar="F", help="write the counters as JSON; - is standard out"
    )
    parser.add_argument("--json", action="store_true", help="same as --stats -")


def run(arguments: argparse.Namespace) -> int:
    """Replay, and say what came of it."""
    stats_target = "-" if arguments.json else arguments.stats
    if stats_target == "-" and arguments.events == "-":
        raise _usage("--stats and --events: expected one of them on standard output, found both")
    if len(arguments.captures) == 1 and arguments.captures[0].is_dir():
        types = arguments.event_types
        return replay_recording(
            arguments,
            None if types is None else _parse_event_types(types),
            lambda stats: _write_stats(stats, stats_target, is_quiet=arguments.events == "-"),
        )
    if arguments.until is not None:
        raise _usage("--until: expected a recording, found captures")
    _refuse_what_is_not_there(arguments)
    try:
        result = run_replay(_options(arguments))
    except ObserverFailed as error:
        raise CommandError(str(error)) from error
    _write_stats(result.stats, stats_target, is_quiet=arguments.events == "-")
    for problem in result.problems + result.plugin_failures:
        print(problem, file=sys.stderr)
    if result.imbalance != 0:
        raise CommandError(f"internal error: packets are off balance by {result.imbalance}")
    return ExitCode.FAILED if result.problems else ExitCode.OK


def _options(arguments: argparse.Namespace) -> ReplayOptions:
    settings = _parse_settings([each for each in arguments.set if not _is_of_plugin(each)])
    plugins = list(arguments.plugin)
    image = None
    if arguments.file is not None:
        source = open_policy_file(arguments)
        image = compile_policy(check_policy(source).policy, generation=1, file=source.file)
    if image is not None or arguments.personality is not None:
        plugins.insert(0, personality_plugin(arguments.personality or _PERSONALITIES[0]))
    return ReplayOptions(
        captures=arguments.captures,
        plugins=plugins,
        plugin_settings=_parse_plugin_settings(filter(_is_of_plugin, arguments.set)),
        workers=arguments.workers,
        policy_image=image,
        inline=arguments.inline,
        verify_checksums=arguments.checksums == "verify",
        burst_size=settings["burst_size"],
        session_capacity=settings["session_capacity"],
        limits={name: settings[name] for name in limit_defaults()},
        tunnel_parents=settings["tunnel_parents"] == 1,
        target_profile=arguments.target_profile,
        events=arguments.events,
        event_types=_parse_event_types(arguments.event_types or ",".join(EVENT_TYPES)),
        write=arguments.write,
        watch=partial(watch, arguments.observer) if arguments.observer else None,
    )


def _refuse_what_is_not_there(arguments: argparse.Namespace) -> None:
    if arguments.rules is not None:
        raise _usage("--rules: not in this version")
    if arguments.personality in _LATER_PERSONALITIES:
        raise _usage(f"--personality {arguments.personality}: not in this version")
    if arguments.personality not in (None, *_PERSONALITIES):
        expected = ", ".join(_PERSONALITIES)
        raise _usage(f"--personality: expected {expected}, found {arguments.personality!r}")
    if not 1 <= arguments.workers <= _WORKERS_MAX:
        raise _usage(f"--workers: expected 1 to {_WORKERS_MAX}, found {arguments.workers}")
    if arguments.write is not None and len(arguments.captures) != 1:
        raise _usage(f"--write: expected one capture to read, found {len(arguments.captures)}")
    if arguments.vars and arguments.file is None:
        raise _usage("--vars: expected --policy with it, found none")


def _parse_settings(assignments: list[str]) -> dict[str, int]:
    values = {name: setting.default for name, setting in _SETTINGS.items()}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        setting = _SETTINGS.get(name)
        if setting is None:
            raise _usage(f"--set: expected one of {', '.join(_SETTINGS)}, found {name!r}")
        is_number = text.isascii() and text.isdigit() and len(text) <= 10
        if not is_number or not setting.minimum <= int(text) <= setting.maximum:
            limits = f"{setting.minimum} to {setting.maximum}"
            raise _usage(f"--set {name}: expected a number from {limits}, found {text!r}")
        values[name] = int(text)
    return values


def _is_of_plugin(assignment: str) -> bool:
    return "." in assignment.partition("=")[0]


def _parse_plugin_settings(assignments: Iterable[str]) -> dict[str, dict[str, str]]:
    """Settings of plugins by the plugin they name."""
    values: dict[str, dict[str, str]] = {}
    for assignment in assignments:
        place, equals, text = assignment.partition("=")
        plugin, _, key = place.partition(".")
        if not plugin or not key or not equals:
            raise _usage(f"--set: expected PLUGIN.KEY=VALUE, found {assignment!r}")
        if key in values.setdefault(plugin, {}):
            raise _usage(f"--set {place}: expected a setting once, found it again")
        values[plugin][key] = text
    return values


def _parse_event_types(text: str) -> list[str]:
    types = text.split(",")
    for each in types:
        if each not in EVENT_TYPES:
            expected = ", ".join(EVENT_TYPES)
            raise _usage(f"--event-types: expected some of {expected}, found {each!r}")
    return types


def _write_stats(stats: dict[str, Any], target: str | None, *, is_quiet: bool) -> None:
    if target is None:
        if not is_quiet:
            print_stats(stats)
        return
    text = json.dumps(stats, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text, encoding="utf-8")


def _usage(message: str) -> CommandError:
    return CommandError(message, ExitCode.USAGE)
