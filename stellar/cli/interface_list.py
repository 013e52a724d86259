# SPDX-License-Identifier: Apache-2.0
"""List the interfaces and what each of them received and sent."""

import argparse

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import print_json, print_table

__all__ = ["add_arguments", "run"]

_FIGURES = ("rx_frames", "rx_bytes", "rx_missed", "tx_frames", "tx_bytes", "tx_errors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_api_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    answer = open_api(arguments).get("/v1/interfaces")
    if arguments.json:
        print_json(answer)
        return 0
    rows = [
        [interface["name"], interface.get("device", "-")]
        + [interface.get(figure, "-") for figure in _FIGURES]
        for interface in answer["interfaces"]
    ]
    print_table(("name", "device", *(figure.replace("_", " ") for figure in _FIGURES)), rows)
    return 0
