# SPDX-License-Identifier: Apache-2.0
"""List the plugins in the order in which they are called."""

import argparse

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import print_json, print_table

__all__ = ["add_arguments", "run"]

_COLUMNS = ("name", "version", "enabled", "calls", "errors", "contexts", "detached", "takeovers")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_api_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    answer = open_api(arguments).get("/v1/plugins")
    if arguments.json:
        print_json(answer)
        return 0
    rows = [
        [plugin.get("name"), plugin.get("version"), "yes" if plugin.get("enabled") else "no"]
        + [plugin.get(column, "-") for column in _COLUMNS[3:]]
        for plugin in answer["plugins"]
    ]
    print_table(_COLUMNS, rows)
    return 0
