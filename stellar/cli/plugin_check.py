# SPDX-License-Identifier: Apache-2.0
"""Say what a plugin declares, or why it is refused, without running it.

The file is loaded: ABI, size, names and events of a C plugin are checked; a Lua file runs in its
sandbox up to what it returns. Exit code 1: a plugin is refused.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from stellar.cli.failure import CommandError, ExitCode
from stellar.cli.output import print_json
from stellar.engine import PluginError
from stellar.engine.plugins import describe_plugin

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help=".so or .lua")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; again"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Check each file."""
    settings = _parse_settings(arguments.set)
    described: list[dict[str, Any]] = []
    problems: list[str] = []
    for file in arguments.files:
        try:
            described.append(describe_plugin(file, settings))
        except PluginError as error:
            problems.append(str(error))
    if arguments.json:
        print_json({"accepted": not problems, "plugins": described, "errors": problems})
    else:
        for plugin in described:
            _print(plugin)
    for problem in problems:
        print(problem, file=sys.stderr)
    return ExitCode.FAILED if problems else ExitCode.OK


def _parse_settings(assignments: list[str]) -> dict[str, str]:
    settings = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not key or not equals:
            raise CommandError(f"--set: expected KEY=VALUE, found {assignment!r}", ExitCode.USAGE)
        settings[key] = value
    return settings


def _print(plugin: dict[str, Any]) -> None:
    print(f"{plugin['file']}: {plugin['name']} {plugin['version']}, a valid plugin")
    context = f"{plugin['context_bytes']} bytes a session"
    if plugin["context_persistent_bytes"]:
        context += f", {plugin['context_persistent_bytes']} of them outlive the engine"
    rows = {
        "events": ", ".join(plugin["events"]),
        "runs before": ", ".join(plugin["before"]),
        "runs after": ", ".join(plugin["after"]),
        "context": context if plugin["context_bytes"] else "",
        "settings": ", ".join(map(_describe_setting, plugin["settings"])),
        "raises": ", ".join(plugin["raises"]),
        "hears": ", ".join(plugin["hears"]),
        "tick": f"every {plugin['tick_ms']} ms" if plugin["tick_ms"] else "",
        "when it fails": "pass (open)" if plugin["fail"] == "open" else "drop (closed)",
    }
    for name, value in rows.items():
        if value:
            print(f"  {name + ':':<15}{value}")


def _describe_setting(setting: dict[str, Any]) -> str:
    if "type" not in setting:
        return str(setting["name"])
    default = f" = {setting['default']}" if setting["default"] is not None else ""
    required = ", required" if setting["required"] else ""
    return f"{setting['name']} ({setting['type']}{default}{required})"
