# SPDX-License-Identifier: Apache-2.0
"""Print the JSON Schema of a policy, for editors and other tools."""

import argparse
import sys

from stellar.policy import policy_schema

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="it is JSON anyway; no difference")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    sys.stdout.write(policy_schema())
    return 0
