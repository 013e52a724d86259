# SPDX-License-Identifier: Apache-2.0
"""Turns a YAML document into dataclasses, strictly: every error names file and line.

Types, defaults and limits are those of the dataclass fields (`config`). Problems are collected, so
that an operator sees all of them at once.
"""

import dataclasses
import enum
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ConfigError", "Reader", "child"]


_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MISREAD = frozenset(_NULLS | {"true", "false", "True", "False", "TRUE", "FALSE"})


class ConfigError(Exception):
    """The operator's configuration file is wrong; one `file:line: expected, found` a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _found(node: yaml.Node) -> str:
    """How an error names what stands in the file."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if node.value == "" else repr(node.value)


class Reader:
    """Turns YAML nodes into typed values; collects problems instead of stopping at the first."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[str] = []

    def refuse(self, node: yaml.Node, key: str, expected: str, found: str | None = None) -> None:
        place = f"{self.file}:{node.start_mark.line + 1}"
        subject = f"{key}: " if key else ""
        found = found or _found(node)
        self.problems.append(f"{place}: {subject}expected {expected}, found {found}")

    def read(self, node: yaml.Node, kind: Any, key: str, limits: typing.Mapping[str, Any]) -> Any:
        """Value of the wanted kind, or None after a problem."""
        origin = typing.get_origin(kind)
        if origin is tuple:
            return self._sequence(node, typing.get_args(kind)[0], key, limits)
        if origin is Mapping:
            return self._texts(node, key)
        if (
            dataclasses.is_dataclass(kind)
            and "alone" in limits
            and isinstance(node, yaml.ScalarNode)
        ):
            return self._alone(node, typing.cast(type, kind), key, limits["alone"])
        if dataclasses.is_dataclass(kind):
            return self._mapping(node, typing.cast(type, kind), key)
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, key, "a single value")
            return None
        if issubclass(kind, enum.Enum):
            return self._choice(node, kind, key)
        if kind is bool:
            return self._boolean(node, key)
        if kind is int:
            return self._integer(node, key, limits)
        return self._text(node, kind, key, limits)

    def _mapping(self, node: yaml.Node, kind: type, key: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, key, "a mapping of keys")
            return None
        fields = {each.name: each for each in dataclasses.fields(kind)}
        hints = typing.get_type_hints(kind)
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else _found(key_node)
            path = f"{key}.{name}" if key else name
            if name in lines:
                self.refuse(key_node, path, "a key once", f"it again, first on line {lines[name]}")
                continue
            lines[name] = key_node.start_mark.line + 1
            if name not in fields:
                known = ", ".join(fields)
                self.refuse(key_node, key, f"one of the keys {known}", f"unknown key {name!r}")
                continue
            values[name] = self.read(value_node, hints[name], path, fields[name].metadata)
        for name, each in fields.items():
            required = each.default is each.default_factory is dataclasses.MISSING
            if required and name not in lines:
                self.refuse(node, key, f"the key {name!r}", "none")
        return None if self.problems else kind(**values)

    def _alone(self, node: yaml.Node, kind: type, key: str, name: str) -> Any:
        """A mapping of which only one key is given, by its value alone."""
        value = self.read(node, typing.get_type_hints(kind)[name], key, {})
        return None if self.problems else kind(**{name: value})

    def _texts(self, node: yaml.Node, key: str) -> dict[str, str]:
        """Single values by name, as they are written."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, key, "a mapping of names")
            return {}
        values: dict[str, str] = {}
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else ""
            if not re.fullmatch(_NAME, name):
                self.refuse(name_node, key, "a name of a-z, 0-9 and _")
            elif name in values:
                self.refuse(name_node, f"{key}.{name}", "a name once", "it again")
            elif not isinstance(value_node, yaml.ScalarNode) or (
                not value_node.style and value_node.value in _NULLS
            ):
                self.refuse(value_node, f"{key}.{name}", "a single value")
            else:
                values[name] = value_node.value
        return values

    def _sequence(
        self, node: yaml.Node, kind: Any, key: str, limits: typing.Mapping[str, Any]
    ) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, key, "a list")
            return ()
        return tuple(
            self.read(item, kind, f"{key}[{position}]", limits)
            for position, item in enumerate(node.value)
        )

    def _choice(self, node: yaml.ScalarNode, kind: type[enum.Enum], key: str) -> enum.Enum | None:
        choices = [member.value for member in kind]
        if node.value not in choices:
            self.refuse(node, key, f"one of {', '.join(choices)}")
            return None
        return kind(node.value)

    def _boolean(self, node: yaml.ScalarNode, key: str) -> bool:
        if node.style or node.value not in ("true", "false"):
            self.refuse(node, key, "true or false")
        return bool(node.value == "true")

    def _integer(
        self, node: yaml.ScalarNode, key: str, limits: typing.Mapping[str, Any]
    ) -> int | None:
        minimum, maximum = limits["minimum"], limits["maximum"]
        expected = f"a number from {minimum} to {maximum}"
        if node.style or not _INTEGER.fullmatch(node.value) or len(node.value) > 18:
            self.refuse(node, key, expected)
            return None
        if not minimum <= int(node.value) <= maximum:
            self.refuse(node, key, expected)
        return int(node.value)

    def _text(
        self,
        node: yaml.ScalarNode,
        kind: type[str] | type[Path],
        key: str,
        limits: typing.Mapping[str, Any],
    ) -> str | Path | None:
        is_misread = node.value in _MISREAD or _INTEGER.fullmatch(node.value)
        if node.value == "" or (not node.style and is_misread):
            self.refuse(node, key, "a text")
            return None
        if kind is Path:
            if not node.value.startswith("/"):
                self.refuse(node, key, "an absolute path")
            return Path(node.value)
        pattern = limits.get("pattern")
        if pattern and not re.fullmatch(pattern, node.value):
            self.refuse(node, key, f"a text like {pattern}")
        return str(node.value)


def child(node: yaml.Node, *path: str | int) -> yaml.Node:
    """The node at a path that is known to exist, or the deepest part of it that does."""
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == step), node)
    return node
