# SPDX-License-Identifier: Apache-2.0
"""Reads policy text: strict YAML with a place for every node.

The YAML accepted is a subset that reads the same to every human: no duplicate keys, no anchors,
aliases or tags, one document. A plain scalar is true, false, null, a decimal whole number, or the
text it looks like: `yes`, `off`, `1:30`, `010` and `1.10` are text. Size, depth and number of nodes
are limited before memory is spent. The only module here that reads files; it knows no policy keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from stellar.policy.errors import LoadError, Place, PolicyProblem, describe

__all__ = ["Document", "NodePath", "Source", "load_document", "load_variables", "read_source"]

SIZE_BYTES_MAX = 16 << 20
NODE_COUNT_MAX = 1_000_000
DEPTH_MAX = 32

NodePath = tuple[str | int, ...]

_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
}


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's parser, from which only events are taken: resolving is done here."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text, the file it came from, and where each of its lines was written."""

    text: str
    file: str
    line_map: tuple[int, ...] | None = None
    """Line in `file` for each line of a rendered text; None when `text` is the file's own."""

    def place(self, line: int) -> Place:
        """Where a line of the text (from 1) was written."""
        if self.line_map is None or not self.line_map:
            return Place(self.file, line)
        return Place(self.file, self.line_map[min(line, len(self.line_map)) - 1], line)


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values (dict, list, str, int, bool, None) and the place of each of them."""

    value: object
    source: Source
    lines: Mapping[NodePath, int] = field(repr=False)
    key_lines: Mapping[NodePath, int] = field(repr=False)

    def place(self, path: NodePath) -> Place:
        """Place of a value, or of the nearest node around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.source.place(self.lines.get(path, 1))

    def key_place(self, path: NodePath) -> Place:
        """Place of a key in its mapping, or as `place`."""
        if path in self.key_lines:
            return self.source.place(self.key_lines[path])
        return self.place(path)


def read_source(path: Path) -> Source:
    """Read a file; OSError when it can't be read, LoadError when it is no text of a sane size."""
    with path.open("rb") as file:
        raw = file.read(SIZE_BYTES_MAX + 1)
    place = Place(str(path), 1)
    if len(raw) > SIZE_BYTES_MAX:
        expected = f"a file of at most {SIZE_BYTES_MAX} bytes"
        raise LoadError([PolicyProblem(place, expected, "a larger one")])
    try:
        return Source(raw.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        place = Place(str(path), raw.count(b"\n", 0, error.start) + 1)
        found = f"byte 0x{raw[error.start]:02x}"
        raise LoadError([PolicyProblem(place, "UTF-8 text", found)]) from None


def load_document(source: Source) -> Document:
    """Parse strict YAML; LoadError names the first line that is not."""
    if len(source.text) > SIZE_BYTES_MAX:
        expected = f"a text of at most {SIZE_BYTES_MAX} bytes"
        raise LoadError([PolicyProblem(source.place(1), expected, "a larger one")])
    return _Composer(source).compose()


def load_variables(source: Source) -> Mapping[str, object]:
    """Parse a YAML or JSON mapping of template variables."""
    document = load_document(source)
    if not isinstance(document.value, dict):
        problem = PolicyProblem(
            document.place(()), "a mapping of variables", describe(document.value)
        )
        raise LoadError([problem])
    return document.value


class _Composer:
    """Turns parser events into values and lines; stops at the first thing that is not strict."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lines: dict[NodePath, int] = {}
        self._key_lines: dict[NodePath, int] = {}
        self._node_count = 0

    def compose(self) -> Document:
        try:
            self._loader = _StrictLoader(self._source.text)
            try:
                value = self._compose_stream()
            finally:
                self._loader.dispose()
        except yaml.reader.ReaderError as error:
            line = self._source.text.count("\n", 0, error.position) + 1
            raise self._error(line, "printable text", f"character {error.character!r}") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            found = (error.problem or "something else").removeprefix("found ")
            raise self._error(line, "YAML", found) from None
        return Document(value, self._source, self._lines, self._key_lines)

    def _compose_stream(self) -> object:
        self._next()  # stream start
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise self._error(1, "a document", "an empty text")
        if getattr(event, "version", None) or getattr(event, "tags", None):
            raise self._error(_line(event), "a document without directives", "a directive")
        value = self._compose_node(self._next(), ())
        self._next()  # document end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._error(_line(event), "one document", "the start of another")
        return value

    def _compose_node(self, event: yaml.Event, path: NodePath) -> object:
        line = _line(event)
        self._node_count += 1
        if self._node_count > NODE_COUNT_MAX:
            raise self._error(line, f"at most {NODE_COUNT_MAX} values", "more")
        if len(path) > DEPTH_MAX:
            raise self._error(line, f"at most {DEPTH_MAX} levels", "more")
        self._check_plain(event)
        self._lines[path] = line
        if isinstance(event, yaml.ScalarEvent):
            return _resolve(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._compose_sequence(path)
        return self._compose_mapping(path)

    def _compose_sequence(self, path: NodePath) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._compose_node(event, (*path, len(items))))
        return items

    def _compose_mapping(self, path: NodePath) -> dict[str, object]:
        entries: dict[str, object] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = _line(event)
            self._check_plain(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error(line, "a key that is text", "a list or mapping as key")
            key = str(event.value)
            key_path = (*path, key)
            if key in entries:
                first = self._source.place(self._key_lines[key_path])
                found = f"{describe(key)} again (first on line {first.line})"
                raise self._error(line, "each key once", found)
            self._key_lines[key_path] = line
            entries[key] = self._compose_node(self._next(), key_path)
        return entries

    def _check_plain(self, event: yaml.Event) -> None:
        """Refuse what lets a short text grow, or mean something else than it shows."""
        anchor = getattr(event, "anchor", None)
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            raise self._error(_line(event), "a value", f"the alias *{anchor}")
        if anchor is not None:
            raise self._error(_line(event), "a value without anchor", f"&{anchor}")
        if tag is not None:
            raise self._error(_line(event), "a value without tag", str(tag))

    def _next(self) -> yaml.Event:
        event: yaml.Event = self._loader.get_event()
        return event

    def _error(self, line: int, expected: str, found: str) -> LoadError:
        return LoadError([PolicyProblem(self._source.place(line), expected, found)])


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    assert mark is not None  # the parser marks every event
    return int(mark.line) + 1


def _resolve(event: yaml.ScalarEvent) -> object:
    text = str(event.value)
    if event.style:  # quoted or a block: text (plain is None, or "" from libyaml)
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return text
