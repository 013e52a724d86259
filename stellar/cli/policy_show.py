# SPDX-License-Identifier: Apache-2.0
"""Print the policy in force, with its generation."""

import argparse
import sys

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import print_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_api_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print its text after a comment line."""
    answer = open_api(arguments).get("/v1/policy")
    if arguments.json:
        print_json(answer)
    elif answer["generation"] == 0:
        reason = " ".join((answer["problem"] or "none was applied").split())
        print(f"# no policy is in force: {reason}")
    elif not answer["text"]:
        print(f"# generation {answer['generation']}; its text is not at hand")
    else:
        place = f"{answer['name']}, applied at {answer['applied_at']}"
        print(f"# generation {answer['generation']}, {place}")
        sys.stdout.write(answer["text"])
    return 0
