# SPDX-License-Identifier: Apache-2.0
"""Runs an observer's file; README.md here says what is in it.

`python -m stellar.observer.program FILE DESCRIPTOR` is the process that a replay starts.
"""

import argparse
import runpy
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stellar.observer.client import CAPACITY, EVENTS, Attachment, ObserverError, ask

__all__ = ["Program", "load_program", "main", "run_program"]


@dataclass(frozen=True, slots=True)
class Program:
    """What an observer's file says."""

    events: tuple[str, ...]
    capacity: int
    observe: Callable[[np.recarray], object]
    end: Callable[[int], object] | None


def load_program(path: Path) -> Program:
    """Run the file and take what it defines; raises ObserverError."""
    if not path.is_file():
        raise ObserverError(f"{path}: expected an observer's file, found none")
    found: dict[str, Any] = runpy.run_path(str(path), run_name="stellar_observer")
    events, observe, end = found.get("EVENTS", EVENTS), found.get("observe"), found.get("end")
    if not callable(observe):
        raise ObserverError(f"{path}: expected a function observe(records), found none")
    if isinstance(events, str) or not all(isinstance(each, str) for each in events):
        raise ObserverError(f"{path}: EVENTS: expected names of events")
    return Program(tuple(events), int(found.get("CAPACITY", CAPACITY)), observe, end)


def run_program(program: Program, source: Attachment) -> None:
    """Give a program what comes, to the end."""
    for records in source:
        program.observe(records)
    if program.end is not None:
        program.end(source.lost)


def main() -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="stellar.observer.program", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("descriptor", type=int, help="a socket whose other end gives the rings")
    arguments = parser.parse_args()
    try:
        program = load_program(arguments.file)
        peer = socket.socket(fileno=arguments.descriptor)
        source = ask(peer, program.events, capacity=program.capacity)
    except ObserverError as error:
        print(error, file=sys.stderr)
        return 1
    run_program(program, source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
