# SPDX-License-Identifier: Apache-2.0
"""Run the appliance: the engine and the control daemon, restarted when they die.

SIGTERM stops both in order, SIGHUP reopens the event file.
"""

import argparse
from pathlib import Path

from stellar.cli.failure import CommandError
from stellar.control.machine import NotOnThisMachine
from stellar.control.pid_file import AlreadyRunning
from stellar.control.run import run_background, run_foreground
from stellar.engine.config import DEFAULT_PATH

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_PATH, help="configuration file (%(default)s)"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--foreground", action="store_true", help="stay on the terminal (default)")
    place.add_argument(
        "--daemon", action="store_true", help="go on in the background once it works"
    )
    parser.add_argument("--pid-file", type=Path, help="a second file for the process id")
    parser.add_argument(
        "--log-file", type=Path, help="log of a daemon (stellar.log beside the events)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped, or until the daemon works."""
    try:
        if arguments.daemon:
            return run_background(arguments.config, arguments.pid_file, arguments.log_file)
        return run_foreground(arguments.config, arguments.pid_file)
    except (AlreadyRunning, NotOnThisMachine) as error:
        raise CommandError(str(error)) from error
