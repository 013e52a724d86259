# SPDX-License-Identifier: Apache-2.0
"""Run the appliance: the engine and the control daemon, restarted when they die.

SIGTERM stops both in order, SIGHUP reopens the event file.
"""

import argparse
from pathlib import Path

from stellar.cli.failure import CommandError, ExitCode
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
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="keep what `stellar replay DIR` needs"
    )
    parser.add_argument("--record-size", type=int, metavar="N", help="bytes of one run to keep")
    parser.add_argument("--record-seconds", type=int, metavar="N", help="of one run to keep")


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped, or until the daemon works."""
    try:
        record = _record_arguments(arguments)
        if arguments.daemon:
            return run_background(arguments.config, arguments.pid_file, arguments.log_file, record)
        return run_foreground(arguments.config, arguments.pid_file, record)
    except (AlreadyRunning, NotOnThisMachine) as error:
        raise CommandError(str(error)) from error


def _record_arguments(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What the engine process is told of recording."""
    if arguments.record is None:
        if arguments.record_size is not None or arguments.record_seconds is not None:
            raise CommandError(
                "--record-size, --record-seconds: expected --record too", ExitCode.USAGE
            )
        return ()
    words = ["--record", str(arguments.record.absolute())]
    for name, value, least in (
        ("--record-size", arguments.record_size, 32 << 20),
        ("--record-seconds", arguments.record_seconds, 0),
    ):
        if value is not None and not least <= value < 1 << 40:
            raise CommandError(f"{name}: expected at least {least}, found {value}", ExitCode.USAGE)
        if value is not None:
            words += [name, str(value)]
    return tuple(words)
