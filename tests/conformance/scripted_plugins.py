# SPDX-License-Identifier: Apache-2.0
"""Makes the scripted plugin under a name, in C or in Lua, from what is installed."""

import hashlib
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import stellar

__all__ = ["EVENTS_DEFAULT", "Plugin", "make_plugin"]

HERE = Path(__file__).parent
PACKAGE = Path(stellar.__file__).parent
LIBRARIES = PACKAGE / "_native"
EVENTS_DEFAULT = ("session_opening", "session_packet", "session_closing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One plugin of a scenario: what it is, and what it does."""

    name: str
    events: tuple[str, ...] = EVENTS_DEFAULT
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    raises: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    fail: str = "closed"
    script: str = ""


def make_plugin(plugin: Plugin, language: str, into: Path) -> Path:
    """A file that can be loaded; made once for each thing that a plugin is."""
    what = repr(replace(plugin, script=""))
    folder = into / hashlib.sha256(what.encode()).hexdigest()[:16]
    path = folder / f"{plugin.name}.{'so' if language == 'c' else 'lua'}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if language == "c":
            _compile(plugin, path)
        else:
            path.write_text(_fill_in(plugin))
    return path


def _compile(plugin: Plugin, path: Path) -> None:
    events = "|".join(f"STELLAR_EVENT_BIT(STELLAR_EVENT_{name.upper()})" for name in plugin.events)
    values = {
        "NAME": f'"{plugin.name}"',
        "EVENTS": f"({events or '0'})",
        "BEFORE": _list(plugin.before),
        "AFTER": _list(plugin.after),
        "RAISES": _list(plugin.raises),
        "HEARS": _list(plugin.hears),
        "FAIL_ACTION": f"STELLAR_FAIL_{plugin.fail.upper()}",
    }
    subprocess.run(
        ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
         "-shared", "-fPIC", "-fvisibility=hidden", f"-I{PACKAGE / 'include'}",
         *[f"-D{name}={value}" for name, value in values.items()],
         str(HERE / "scripted.c"), "-o", str(path),
         f"-L{LIBRARIES}", "-lstellar", f"-Wl,-rpath,{LIBRARIES}"],
        check=True,
    )  # fmt: skip


def _fill_in(plugin: Plugin) -> str:
    text = (HERE / "scripted.lua").read_text()
    values = {
        "EVENTS": _list(plugin.events),
        "NAME": f'"{plugin.name}"',
        "FAIL": f'"{plugin.fail}"',
        "BEFORE": _list(plugin.before),
        "AFTER": _list(plugin.after),
        "RAISES": _list(plugin.raises),
        "HEARS": _list(plugin.hears),
    }
    for name, value in values.items():
        text = text.replace(f'"@{name}@"', value)
    return text


def _list(names: tuple[str, ...]) -> str:
    return "".join(f'"{name}",' for name in names)
