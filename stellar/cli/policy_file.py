# SPDX-License-Identifier: Apache-2.0
"""The policy file that policy commands are given: a document, or a template and its variables."""

import argparse
from pathlib import Path

from stellar.personality import open_policy, read_variables
from stellar.policy.load import Source

__all__ = ["add_policy_arguments", "open_policy_file"]


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that name a policy file."""
    parser.add_argument("file", type=Path, help="policy, or a template (.j2) that makes one")
    parser.add_argument(
        "--vars",
        type=Path,
        action="append",
        metavar="FILE",
        help="YAML or JSON with variables of the template; again: later files win",
    )


def open_policy_file(arguments: argparse.Namespace) -> Source:
    """The policy's text, rendered where it is a template; OSError or PolicyError."""
    variables: dict[str, object] | None = None
    for path in arguments.vars or ():
        variables = {**(variables or {}), **read_variables(path)}
    return open_policy(arguments.file, variables)
