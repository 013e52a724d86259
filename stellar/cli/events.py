# SPDX-License-Identifier: Apache-2.0
"""Print the last EVE events, and with --follow each new one, until interrupted.

Reads the event file of the configuration; the engine is not asked.
"""

import argparse
import collections
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from stellar.engine.config import DEFAULT_PATH, load_config

__all__ = ["add_arguments", "run"]

_POLL_SEC = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_PATH, help="configuration file (%(default)s)"
    )
    parser.add_argument("--file", type=Path, help="an EVE file, without a configuration")
    parser.add_argument("--follow", action="store_true", help="go on with new events")
    parser.add_argument("--lines", type=int, default=20, help="how many old ones (%(default)s)")
    parser.add_argument("--type", help="only this event_type: flow, drop, anomaly, stats, plugin")
    parser.add_argument("--session", type=int, help="only this flow_id")
    parser.add_argument("--json", action="store_true", help="events are JSON anyway; no difference")


def run(arguments: argparse.Namespace) -> int:
    """Print the end of the file, then what is added."""
    path: Path = arguments.file or load_config(arguments.config).events.path
    with path.open(encoding="utf-8", errors="replace") as stream:
        wanted = (line for line in stream if _is_wanted(line, arguments))
        for line in collections.deque(wanted, maxlen=max(arguments.lines, 0)):
            print(line, end="")
        if arguments.follow:
            for line in _follow(path, stream):
                if _is_wanted(line, arguments):
                    print(line, end="", flush=True)
    return 0


def _is_wanted(line: str, arguments: argparse.Namespace) -> bool:
    if arguments.type is None and arguments.session is None:
        return True
    try:
        event = json.loads(line)
    except ValueError:
        return False
    return isinstance(event, dict) and (
        arguments.type in (None, event.get("event_type"))
        and arguments.session in (None, event.get("flow_id"))
    )


def _follow(path: Path, stream: IO[str]) -> Iterator[str]:
    """Whole lines as they come; goes over to a new file when the old one was rotated away."""
    partial = ""
    while True:
        line = stream.readline()
        if line.endswith("\n"):
            yield partial + line
            partial = ""
            continue
        partial += line
        if not line:
            if _is_rotated(path, stream):
                stream = path.open(encoding="utf-8", errors="replace")
                partial = ""
            time.sleep(_POLL_SEC)


def _is_rotated(path: Path, stream: IO[str]) -> bool:
    try:
        return not os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
