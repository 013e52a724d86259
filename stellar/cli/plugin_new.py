# SPDX-License-Identifier: Apache-2.0
"""Write a plugin to start from: a folder with the plugin, its test, and how to go on.

Nothing that exists is written over. The plugin works, and passes its test.
"""

import argparse
import re
from pathlib import Path

from stellar.cli.failure import CommandError, ExitCode

__all__ = ["add_arguments", "run"]

_TEMPLATES = Path(__file__).parent / "templates"
_TEMPLATE_NAME = "new_plugin"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FILES = {
    "c": {"c": "NAME.c", "meson": "meson.build", "c.yml": "NAME.scenario.yml", "c.md": "README.md"},
    "lua": {"lua": "NAME.lua", "lua.yml": "NAME.scenario.yml", "lua.md": "README.md"},
}
"""Suffix of the template, and the file it becomes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME", help="a-z, 0-9 and _; also the new folder's name")
    parser.add_argument(
        "--lang", choices=tuple(_FILES), required=True, help="what it is written in"
    )
    parser.add_argument(
        "--into", type=Path, default=Path(), metavar="FOLDER", help="where to put it (here)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the folder."""
    name: str = arguments.name
    if not _NAME.fullmatch(name):
        expected = "a name of a-z, 0-9 and _, that begins with a letter, of at most 63"
        raise CommandError(f"NAME: expected {expected}, found {name!r}", ExitCode.USAGE)
    folder = arguments.into / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise CommandError(f"{folder}: expected nothing there, found it exists") from None
    for suffix, target in _FILES[arguments.lang].items():
        template = (_TEMPLATES / f"{_TEMPLATE_NAME}.{suffix}").read_text(encoding="utf-8")
        path = folder / target.replace("NAME", name)
        path.write_text(template.replace(_TEMPLATE_NAME, name), encoding="utf-8")
        print(path)
    return 0
