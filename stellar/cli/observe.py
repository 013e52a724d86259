# SPDX-License-Identifier: Apache-2.0
"""Give the running appliance's closed sessions, or the events it chooses, to a Python file.

The file defines `observe(records)`, and EVENTS and CAPACITY if it wants others than closed sessions
and 65536. It runs in this process, never on the packet path: what it is too slow for is lost and
counted. Ends with the engine, or with Ctrl-C.
"""

import argparse
from pathlib import Path

from stellar.cli.failure import CommandError
from stellar.engine.config import DEFAULT_PATH, load_config
from stellar.observer import ObserverError, attach
from stellar.observer.program import load_program, run_program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="Python: def observe(records)")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_PATH, metavar="F", help="(%(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Observe until it is over."""
    config = load_config(arguments.config)
    try:
        program = load_program(arguments.file)
        source = attach(config.engine_socket, program.events, capacity=program.capacity)
    except ObserverError as error:
        raise CommandError(str(error)) from error
    run_program(program, source)
    return 0
