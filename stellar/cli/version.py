# SPDX-License-Identifier: Apache-2.0
"""Print the version of Stellar."""

import argparse

import stellar
from stellar.cli.output import print_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    if arguments.json:
        print_json({"version": stellar.__version__})
    else:
        print(f"stellar {stellar.__version__}")
    return 0
