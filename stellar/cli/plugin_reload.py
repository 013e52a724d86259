# SPDX-License-Identifier: Apache-2.0
"""Put another version of a plugin in force while traffic flows; when it fails, the old one stays.

Sessions that the plugin has state for keep their version, or the new one takes the state over when
it says how; other sessions have the new version at once. Without --path the file is read again that
the plugin came from. An engine that starts again takes the file that the configuration names.
"""

import argparse
import urllib.parse
from pathlib import Path

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import print_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME", help="of the plugin, as `stellar plugin list` says")
    parser.add_argument("--path", type=Path, metavar="F", help="the new version: .so or .lua")
    add_api_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask for it, and say what came of it."""
    path = None if arguments.path is None else str(arguments.path.absolute())
    name = urllib.parse.quote(arguments.name, safe="")
    answer = open_api(arguments).post(f"/v1/plugins/{name}/reload", {"path": path})
    if arguments.json:
        print_json(answer)
        return 0
    line = f"{answer['name']}: version {answer['version']} is in force"
    if answer["version_before"] != answer["version"]:
        line += f", after {answer['version_before']}"
    if answer["old_contexts"]:
        line += f"; {answer['old_contexts']} sessions have an older one"
    print(line)
    return 0
