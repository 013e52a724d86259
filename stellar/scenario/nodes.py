# SPDX-License-Identifier: Apache-2.0
"""Reads YAML nodes strictly, with the line of each; knows no scenario.

A plain scalar is true, false, null, a number or the text it looks like, as in a policy. Problems
are collected.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

__all__ = ["Nodes", "describe", "with_counter"]

_SIZE_MAX = 1 << 20
_DEPTH_MAX = 20
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]{0,8})\.[0-9]{1,9}")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "true": True, "false": False,
}  # fmt: skip


class Nodes:
    """The nodes of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[str] = []

    def refuse(self, place: yaml.Node | int, expected: str, found: str) -> None:
        """Note a problem at a node or a line."""
        line = place if isinstance(place, int) else place.start_mark.line + 1
        text = f"{self.file}:{line}: expected {expected}, found {found}"
        self.problems.append("".join(each if each.isprintable() else "?" for each in text))

    def compose(self, text: str) -> yaml.Node | None:
        """The document's root, or None after a problem."""
        if len(text) > _SIZE_MAX:
            self.refuse(1, f"at most {_SIZE_MAX} bytes", str(len(text)))
            return None
        try:
            # Before the recursive composer: deep nesting must not end the interpreter.
            for event in self._events(text):
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    line = event.start_mark.line + 1 if event.start_mark else 1
                    self.refuse(line, "YAML without anchors", "one")
                    return None
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self.refuse(line, "YAML", str(error.problem))
        except yaml.YAMLError as error:
            self.refuse(1, "YAML", str(error).splitlines()[0])
        except ValueError as error:
            self.refuse(1, "YAML", str(error))
        return None

    def _events(self, text: str) -> Iterator[yaml.Event]:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH_MAX:
                raise ValueError(f"more than {_DEPTH_MAX} levels")
            yield event

    def mapping(
        self, node: yaml.Node, what: str, known: tuple[str, ...] = ()
    ) -> dict[str, yaml.Node]:
        """Keys and values, in order; keys must be among `known`, when there are some."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"{what}: a mapping", describe(node))
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in found:
                self.refuse(key, f"the key {name!r} once", "it again")
            elif known and name not in known:
                self.refuse(key, f"{what}: one of {', '.join(known)}", repr(name))
            else:
                found[name] = value
        return found

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """Elements of a list."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.refuse(node, f"{what}: a list", describe(node))
        return []

    def text(self, node: yaml.Node, what: str) -> str:
        """A scalar as it was written."""
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self.refuse(node, f"{what}: a text", describe(node))
        return ""

    def number(self, node: yaml.Node, what: str, minimum: int, maximum: int) -> int:
        """A whole number within limits; `minimum` after a problem."""
        value = self.text(node, what) if isinstance(node, yaml.ScalarNode) else ""
        if _NUMBER.fullmatch(value) and minimum <= int(value) <= maximum:
            return int(value)
        self.refuse(node, f"{what}: a number from {minimum} to {maximum}", describe(node))
        return minimum

    def boolean(self, node: yaml.Node, what: str) -> bool:
        """True or false."""
        value = self.value(node)
        if not isinstance(value, bool):
            self.refuse(node, f"{what}: true or false", describe(node))
        return value is True

    def value(self, node: yaml.Node) -> Any:
        """Plain values: dict, list, str, int, float, bool, None."""
        if isinstance(node, yaml.MappingNode):
            return {
                name: self.value(each) for name, each in self.mapping(node, "a mapping").items()
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each) for each in node.value]
        text = str(node.value)
        if not isinstance(node, yaml.ScalarNode) or node.style is not None:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _NUMBER.fullmatch(text):
            return int(text)
        return float(text) if _FRACTION.fullmatch(text) else text


def describe(node: yaml.Node) -> str:
    """What a node is, for an error."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    text = str(node.value)
    return repr(text if len(text) <= 60 else text[:60] + "...") if text else "nothing"


def with_counter(node: yaml.Node, name: str, count: int) -> yaml.Node:
    """A copy in which `$name` is a number."""
    if isinstance(node, yaml.ScalarNode):
        if f"${name}" not in node.value:
            return node
        text = node.value.replace(f"${name}", str(count))
        return yaml.ScalarNode(node.tag, text, node.start_mark, node.end_mark, node.style)
    if isinstance(node, yaml.MappingNode):
        pairs = [(key, with_counter(value, name, count)) for key, value in node.value]
        return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark)
    elements = [with_counter(each, name, count) for each in node.value]
    return yaml.SequenceNode(node.tag, elements, node.start_mark, node.end_mark)
