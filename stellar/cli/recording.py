# SPDX-License-Identifier: Apache-2.0
"""`stellar replay DIR`: a recording of `stellar run --record`, with its own configuration."""

import argparse
import datetime
import json
import sys
from collections.abc import Callable
from typing import Any

from stellar.cli.failure import CommandError, ExitCode
from stellar.engine.recording import find_run, replay_run

__all__ = ["replay_recording"]

# What a recording has of its own; the names of the arguments, and what they are when not given.
_OWN: dict[str, Any] = {
    "personality": None,
    "file": None,
    "vars": None,
    "rules": None,
    "plugin": [],
    "inline": False,
    "checksums": "verify",
    "set": [],
    "target_profile": "linux",
    "write": None,
    "workers": 1,
}
_TEXTS_MAX = 8


def replay_recording(
    arguments: argparse.Namespace,
    event_types: list[str] | None,
    write_stats: Callable[[dict[str, Any]], None],
) -> int:
    """Replay it, and say where it ended. Exit code 1: not where the engine ended, or was asked."""
    for name, default in _OWN.items():
        if getattr(arguments, name) != default:
            option = "policy" if name == "file" else name.replace("_", "-")
            raise _usage(f"--{option}: a recording has its own, expected none")
    texts, until_ns = _parse_until(arguments.until)
    recorded = replay_run(
        find_run(arguments.captures[0]),
        events=arguments.events,
        event_types=event_types,
        until=texts,
        until_ns=until_ns,
    )
    write_stats(recorded.stats)
    position = recorded.position
    time = datetime.datetime.fromtimestamp(position["time_ns"] // 10**9, datetime.UTC)
    place = f"{time:%Y-%m-%dT%H:%M:%S}.{position['time_ns'] % 10**9:09}"
    print(
        f"{position['end']} at {place}: packet {position['packets']}, burst {position['bursts']}, "
        f"policy generation {position['generation']}",
        file=sys.stderr,
    )
    for note in recorded.notes:
        print(note, file=sys.stderr)
    if recorded.imbalance != 0:
        raise CommandError(f"internal error: packets are off balance by {recorded.imbalance}")
    is_asked = position["end"] == ("stopped" if arguments.until else "finished")
    return ExitCode.OK if is_asked and not position["diverged_packet"] else ExitCode.FAILED


def _parse_until(text: str | None) -> tuple[list[str], int]:
    """The texts an event line must have, and the engine time to stop at."""
    if text is None:
        return [], 0
    texts = []
    time_ns = 0
    for part in text.split(","):
        key, separator, value = part.partition("=")
        if not separator or not key.isidentifier() or not value:
            raise _usage(f"--until: expected KEY=VALUE[,KEY=VALUE] or time=TIME, found {part!r}")
        if key == "time":
            time_ns = _parse_time(value)
        else:
            texts.append(f'"{key}":{_json_value(value)}')
    if len(texts) > _TEXTS_MAX:
        raise _usage(f"--until: expected at most {_TEXTS_MAX} keys, found {len(texts)}")
    return texts, time_ns


def _json_value(value: str) -> str:
    """A value as event lines have it: numbers, true and false bare; the rest, or "...", quoted."""
    if value in ("true", "false") or (value.isascii() and value.isdigit()):
        return value
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return json.dumps(value)


def _parse_time(value: str) -> int:
    try:
        time = datetime.datetime.fromisoformat(value)
    except ValueError as error:
        raise _usage(f"--until time: expected 2026-01-31T12:00:00.5, found {value!r}") from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.UTC)
    since = time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000


def _usage(message: str) -> CommandError:
    return CommandError(message, ExitCode.USAGE)
