# SPDX-License-Identifier: Apache-2.0
"""List the plugins of the running appliance in the order in which they are called.

ns/call: wall-clock time of a call, from a sample of them; memory: live contexts, and of Lua its
states. What a plugin in C allocates by itself is not known. versions: that live; old_contexts: of
those that are not in force any more; migrated: what a version took over from an older one.
"""

import argparse
from typing import Any

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import format_bytes, print_json, print_table

__all__ = ["add_arguments", "run"]

_COLUMNS = (
    "name", "version", "enabled", "calls", "ns/call", "errors", "contexts", "memory", "detached",
    "takeovers", "reloads", "versions", "old_contexts", "migrated",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_api_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    answer = open_api(arguments).get("/v1/plugins")
    if arguments.json:
        print_json(answer)
        return 0
    rows = [[_cell(plugin, column) for column in _COLUMNS] for plugin in answer["plugins"]]
    print_table(_COLUMNS, rows)
    return 0


def _cell(plugin: dict[str, Any], column: str) -> object:
    match column:
        case "enabled":
            return "yes" if plugin.get("enabled") else "no"
        case "ns/call":
            taken = plugin.get("nanoseconds_per_call")
            return "-" if taken is None else round(taken)
        case "memory":
            size = plugin.get("memory_bytes")
            return "-" if size is None else format_bytes(size)
    return plugin.get(column, "-")
