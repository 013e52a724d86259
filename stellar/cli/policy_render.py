# SPDX-License-Identifier: Apache-2.0
"""Print the policy that a template makes of its variables, unchecked."""

import argparse
import sys

from stellar.cli.output import print_json
from stellar.cli.policy_file import add_policy_arguments, open_policy_file

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_policy_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print it as a JSON string")


def run(arguments: argparse.Namespace) -> int:
    """Print the text."""
    source = open_policy_file(arguments)
    if arguments.json:
        print_json({"file": str(arguments.file), "text": source.text})
    else:
        sys.stdout.write(source.text)
    return 0
