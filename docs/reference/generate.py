# SPDX-License-Identifier: Apache-2.0
"""Writes the reference of events, fields and functions, of C and of Lua, from their sources.

python docs/reference/generate.py; a test fails when what lies here is not what it writes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
INCLUDE = ROOT / "native" / "include" / "stellar"
LUA = ROOT / "stellar" / "lua"
LATER = ROOT / "native" / "engine" / "later.c"

# Headers that plugins call, in reading order.
HEADERS = (
    "plugin", "event", "session", "packet", "field", "verdict", "stream", "timer", "inject",
    "expect", "log", "aqm", "match", "rewrite", "file",
)  # fmt: skip
# What a Lua file's functions are called on; those of other files of view/: on a session.
LUA_OBJECTS = {
    "view/session": "session:", "view/packet": "packet:", "view/event": "event:",
    "view/stream": "stream:", "view/tick": "tick:", "view/endpoint": "", "library/stats": "stats.",
    "library/stellar": "stellar.", "library/packet": "packet.", "library/session": "session.",
}  # fmt: skip
LOG = "One line, LEVEL of error, warning, info, debug; while the plugin is loaded only."
LUA_OBJECTS |= {
    f"view/{path.stem}": LUA_OBJECTS.get(f"view/{path.stem}", "session:")
    for path in sorted(LUA.glob("view/*.lua"))
}
GENERATED = "<!-- Written by docs/reference/generate.py; do not edit. -->\n"


@dataclass(frozen=True)
class Function:
    """A function, in either language."""

    name: str
    text: str
    comment: str
    calls: frozenset[str] = frozenset()


def events() -> str:
    """The page of events."""
    rows = re.findall(
        r'^X\((\w+), (\w+), ([01]), "(.*)"\)', (INCLUDE / "events.def").read_text(), re.M
    )
    lines = [
        "# Events", "", GENERATED,
        "A plugin declares those it needs: in C as bits of `events`, in Lua as functions of `on`.",
        "They come in this order within one packet.", "",
        "| event | C | Lua | when |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, enumerator, raised, sentence in rows:
        later = "" if raised == "1" else "; **not in this version**"
        lua = 'on["plugin.event"]' if name == "derived" else f"on.{name}"
        lines.append(
            f"| `{name}` | `STELLAR_EVENT_{enumerator}` | `{lua}` | {cell(sentence)}{later} |"
        )
    lines += [
        "",
        "## What an event has",
        "",
        "| C: `session_get_event(session)->` | |",
        "|---|---|",
    ]
    body = re.search(r"^struct event \{\n(.*?)^\};", (INCLUDE / "event.h").read_text(), re.M | re.S)
    assert body is not None
    for field, comment in struct_fields(body[1]):
        lines.append(f"| `{field}` | {cell(comment)} |")
    lines += ["", "| Lua | |", "|---|---|"]
    lines += [f"| `{each.text}` | {cell(each.comment)} |" for each in lua_functions("view/event")]
    return "\n".join(lines) + "\n"


def fields() -> str:
    """The page of fields."""
    rows = re.findall(
        r'X\("([\w.]+)", (\w+), (\w+), "(.*?)"\)', (INCLUDE / "field.h").read_text(), re.S
    )
    lines = [
        "# Fields", "", GENERATED,
        "Values of the packet in hand. C: `field_lookup` once, in `load`, then `field_get`;",
        'Lua: `packet:field("ip.ttl")`, nil when the packet has none.', "",
        "| field | type | C | what |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| `{name}` | {kind.lower()} | `STELLAR_FIELD_{enumerator}` | {cell(sentence)} |"
        for name, enumerator, kind, sentence in rows
    ]
    return "\n".join(lines) + "\n"


def functions() -> str:
    """The page of functions."""
    lua = [each for name in LUA_OBJECTS for each in lua_functions(name)]
    lines = [
        "# Functions", "", GENERATED,
        "What plugins call, header by header; beside each function of C what of Lua calls it.",
        "`-`: Lua has none, or does it by itself.", "",
    ]  # fmt: skip
    missing = set(re.findall(r"^\w[\w *]*?(\w+)\(", LATER.read_text(), re.M))
    called: set[str] = set()
    for header in HEADERS:
        declared = list(c_functions(INCLUDE / f"{header}.h"))
        if not declared:
            continue
        lines += [f"## `<stellar/{header}.h>`", "", "| C | Lua | what |", "|---|---|---|"]
        for function in declared:
            callers = [each for each in lua if function.name in each.calls]
            called |= {each.text for each in callers}
            beside = ", ".join(f"`{each.text}`" for each in callers) or "-"
            later = " **Not in this version: -ENOSYS.**" if function.name in missing else ""
            lines.append(f"| `{function.text}` | {beside} | {cell(function.comment)}{later} |")
        lines.append("")
    rest = [each for each in lua if each.text not in called]
    rest.append(Function("log", "log.LEVEL(text)", LOG))
    lines += ["## Lua alone", "", "| Lua | what |", "|---|---|"]
    lines += [f"| `{each.text}` | {cell(each.comment)} |" for each in rest]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Text that fits a cell of a table."""
    return text.replace("|", "\\|") or "-"


def struct_fields(body: str) -> Iterator[tuple[str, str]]:
    """Fields of a C structure with their comments."""
    name, comment = "", ""
    for line in [*body.splitlines(), "x y;"]:
        found = re.match(r"\t(?:[\w ]+?[ *])(\w+);\s*(?://\s*(.*))?$", line)
        continued = re.match(r"\t+ *// ?(.*)", line)
        if continued and name:
            comment += " " + continued[1]
            continue
        if name and not name.startswith("reserved"):
            yield name, comment.strip()
        name, comment = (found[1], found[2] or "") if found else ("", "")


def c_functions(path: Path) -> Iterator[Function]:
    """Public functions of a header. A comment serves those that follow it without a gap."""
    comment: list[str] = []
    previous = ""
    declaration = ""
    for line in path.read_text().splitlines():
        if declaration:
            declaration += " " + line.strip()
        elif line.startswith("STELLAR_PUBLIC"):
            declaration = line
        elif line.startswith("//"):
            comment = [*(comment if previous.startswith("//") else []), line[2:].strip()]
        elif not line.strip():
            comment = []
        previous = line
        if declaration.endswith(";"):
            text = re.sub(r"\s*__attribute__\(\(.*\)\);$", ";", declaration)
            text = re.sub(r"\s+", " ", text.removeprefix("STELLAR_PUBLIC").strip().rstrip(";"))
            found = re.search(r"(\w+)\(", text)
            if found:
                yield Function(found[1], text, " ".join(comment))
            declaration = ""


def lua_functions(name: str) -> Iterator[Function]:
    """Functions that a Lua file gives to plugins, and which C functions they call."""
    path = LUA / f"{name}.lua"
    lines = path.read_text().splitlines()
    module = path.stem
    pattern = re.compile(
        rf"( *)function (?:methods\.|({module})\.|(Address|Endpoint):)(\w+)\((.*?)\)"
    )
    for i, line in enumerate(lines):
        found = pattern.match(line)
        if not found or found[4].startswith("__"):
            continue
        if name == "view/endpoint" and found[2]:
            continue  # the host's own
        end = next(k for k in range(i, len(lines)) if lines[k] == found[1] + "end")
        body = "\n".join(lines[i:end])
        comment: list[str] = []
        for above in reversed(lines[:i]):
            stripped = above.strip()
            if not stripped.startswith("--") or stripped == "--":
                break
            comment.insert(0, stripped.lstrip("- "))
        arguments = [each for each in re.split(r",\s*", found[5]) if each not in ("", "self")]
        target = f"{found[3].lower()}:" if found[3] else LUA_OBJECTS[name]
        yield Function(
            found[4],
            f"{target}{found[4]}({', '.join(arguments)})",
            " ".join(comment),
            frozenset(re.findall(r"\bC\.(\w+)\(", body)),
        )


PAGES = {"events.md": events, "fields.md": fields, "functions.md": functions}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
