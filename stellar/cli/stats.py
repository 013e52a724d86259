# SPDX-License-Identifier: Apache-2.0
"""Print the engine's counters: packets, drops by reason, sessions, events."""

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import print_json

__all__ = ["add_arguments", "print_stats", "run"]

_WATCH_SEC = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_api_arguments(parser)
    parser.add_argument("--watch", action="store_true", help="again each second, until interrupted")


def run(arguments: argparse.Namespace) -> int:
    """Print once, or until interrupted."""
    api = open_api(arguments)
    if not arguments.watch:
        stats = api.get("/v1/stats")
        print_json(stats) if arguments.json else print_stats(stats)
        return 0
    while True:
        stats = api.get("/v1/stats")
        if arguments.json:
            print(json.dumps(stats), flush=True)
        else:
            print("\033[H\033[2J", end="")
            print_stats(stats)
        time.sleep(_WATCH_SEC)


def print_stats(stats: Mapping[str, Any]) -> None:
    """Counters for people: what is zero in a list of reasons is left out."""
    for section, figures in stats.items():
        if isinstance(figures, Mapping):
            _print_section(section, figures)
        elif not isinstance(figures, list):
            print(f"{section.replace('_', ' ')}: {figures}")


def _print_section(section: str, figures: Mapping[str, Any]) -> None:
    lines: list[tuple[str, object]] = []
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            counted = [(reason, count) for reason, count in figure.items() if count]
            lines.append((name, sum(count for _, count in counted)))
            lines += [(f"  {reason}", count) for reason, count in counted]
        elif figure or section not in ("events", "decode_events"):
            lines.append((name, figure))
    if not lines:
        return
    print(section.replace("_", " "))
    for name, value in lines:
        print(f"  {name:<28} {value:>16}")
