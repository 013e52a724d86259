# SPDX-License-Identifier: Apache-2.0
"""Put a policy in force, whole or not at all: when anything fails, the old one stays.

A template (.j2) is rendered here first. Exit code 3: the policy was rejected.
"""

import argparse

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.failure import CommandError, ExitCode
from stellar.cli.output import print_json
from stellar.cli.policy_file import add_policy_arguments, open_policy_file
from stellar.personality import check_policy

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_policy_arguments(parser)
    add_api_arguments(parser)
    parser.add_argument("--confirm-within", metavar="TIME", help="not in this version: refused")


def run(arguments: argparse.Namespace) -> int:
    """Check here, where the template's lines are known; then let the daemon apply it."""
    if arguments.confirm_within is not None:
        raise CommandError("--confirm-within: not in this version", ExitCode.USAGE)
    source = open_policy_file(arguments)
    check_policy(source)
    body = {"text": source.text, "name": str(arguments.file.absolute())}
    answer = open_api(arguments).post("/v1/policy", body)
    if arguments.json:
        print_json(answer)
    else:
        print(f"{arguments.file}: in force as generation {answer['generation']}")
    return 0
