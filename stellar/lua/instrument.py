# SPDX-License-Identifier: Apache-2.0
"""Puts checks of the time budget into the source of a plugin, on the lines where they belong.

Each pass of a loop, each call of a function and each `goto` takes steps; each `..` goes through the
host, which takes steps by size. What checks is called by names with a byte that no name of a plugin
may have. It is for source that LuaJIT compiles: the compiler's errors are better than any of ours.
Called by plugin.py; knows nothing of LuaJIT's states.
"""

import re
from dataclasses import dataclass, field

__all__ = ["TOKENS_PER_STEP", "SourceError", "instrument"]

TOKENS_PER_STEP = 32
"""A body takes one step, and another for each so many tokens in it."""

_PRIVATE = b"\xff"  # never in UTF-8, and refused in names: ours alone
_STEP = _PRIVATE + b"S"
_JOIN = _PRIVATE + b"J"

_TOKEN = re.compile(
    rb"""
      (?P<blank> [ \t\r\n\f\v]+ | --\[(?P<comment>=*)\[ (?s:.*?) \](?P=comment)\]
        | --(?!\[=*\[)[^\r\n]* )
    | (?P<name> [A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]* )
    | (?P<number> 0[xX] (?: [pP][+-] | [A-Za-z0-9_.\x80-\xff] )*
        | \.?[0-9] (?: [eE][+-] | [A-Za-z0-9_.\x80-\xff] )* )
    | (?P<text> \[(?P<level>=*)\[ (?s:.*?) \](?P=level)\]
        | "(?: [^"\\\r\n]++ | \\z[ \t\r\n\f\v]*+ | \\(?: \r\n | \n\r | (?s:.) ) )*+"
        | '(?: [^'\\\r\n]++ | \\z[ \t\r\n\f\v]*+ | \\(?: \r\n | \n\r | (?s:.) ) )*+' )
    | (?P<sign> \.\.\.|\.\.|::|[=~<>]=|[-+*/%^\#=<>(){}\[\];:,.] )
    """,
    re.VERBOSE,
)
_CDATA = re.compile(rb"(?:[uU]?[lL][lL]|[iI])$")  # LuaJIT's 1ULL and 2i
_KEYWORDS = frozenset(
    b"and break do else elseif end false for function if in local nil not or repeat return then"
    b" true until while".split()
)
# What ends an operand of `..` on its left, and on its right.
_BORDERS = frozenset(
    b"and or = == ~= < > <= >= , ; return if elseif while until in then do else repeat local for"
    b" break ::".split()
)
_VALUES = frozenset(b"nil true false ... end ) ] }".split())  # an operand may end with it
_OPENING = frozenset((b"(", b"[", b"{"))
_CLOSING = frozenset((b")", b"]", b"}"))
# Keywords that begin a statement: after an operand, the expression is over.
_STATEMENTS = frozenset(b"break do for function if local repeat return while ::".split())
_BLOCK_ENDS = frozenset(b"end else elseif until".split())


class SourceError(Exception):
    """The source has what a plugin may not use."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class _Level:
    """What is open: a bracket, a block, or the condition of an `until`."""

    kind: bytes
    first: int
    """Its first token."""
    check: int = -1
    """The token behind which its steps are taken, of a loop or function."""
    operand: int = 0
    """Where the expression in hand began."""
    joins: list[int] = field(default_factory=list)
    """The `..` of that expression."""
    jumps: list[int] = field(default_factory=list)
    """The `goto` of a function."""


class _Reader:
    """Reads the tokens once, from left to right; says what is to be inserted where."""

    def __init__(self, tokens: list[bytes], kinds: list[str]) -> None:
        self.tokens, self.kinds = tokens, kinds
        self.levels = [_Level(b"function", 0)]
        self.before: dict[int, bytes] = {}
        self.instead: dict[int, bytes] = {}
        self.behind: dict[int, bytes] = {}
        self.complete = False  # whether the token before may end an operand

    def read(self) -> None:
        for place, token in enumerate(self.tokens):
            if self.kinds[place] in ("name", "number", "text"):
                self._read_value(place)
            else:
                self._read_fixed(place, token)
        place = len(self.tokens)
        self._end_statement(place)
        self._close(self.levels.pop(), place)
        if self.levels:
            raise ValueError("a block is not closed")

    def _read_value(self, place: int) -> None:
        is_name = self.kinds[place] == "name"
        if is_name and self.complete:
            self._end_statement(place)
        if is_name and self._is_goto(place):
            function = next(level for level in reversed(self.levels) if level.kind == b"function")
            function.jumps.append(place)
        self.complete = True

    def _is_goto(self, place: int) -> bool:
        """Whether `goto`, which may be a name as well, begins a statement."""
        return (
            self.tokens[place] == b"goto"
            and self.kinds[place + 1 : place + 2] == ["name"]
            and (place == 0 or self.tokens[place - 1] not in (b".", b":", b"="))
        )

    def _read_fixed(self, place: int, token: bytes) -> None:
        level = self.levels[-1]
        if token == b"..":
            level.joins.append(place)
        elif token in _OPENING:
            self.levels.append(_Level(token, place, operand=place + 1))
        elif token in _CLOSING:
            self._close(self.levels.pop(), place)
            self._begin_body(place, token)
        elif token in _KEYWORDS or token in _BORDERS:
            self._read_keyword(place, token)
        self.complete = token in _VALUES
        if self.levels[-1].check == place:
            self.complete = False

    def _begin_body(self, place: int, token: bytes) -> None:
        """The parentheses of a function's parameters are closed."""
        level = self.levels[-1]
        if token == b")" and level.kind == b"function" and level.check < 0 and level.first:
            level.check, level.operand = place, place + 1

    def _read_keyword(self, place: int, token: bytes) -> None:
        if token in _BLOCK_ENDS or token == b";" or (self.complete and token in _STATEMENTS):
            self._end_statement(place)
        level = self.levels[-1]
        if token in _BORDERS:
            self._end_expression(level, place)
            level.operand = place + 1
        if token == b"end":
            self._close(self.levels.pop(), place)
        elif token == b"until":
            self.levels[-1].kind = b"until"
        elif token == b"do" and level.kind in (b"for", b"while") and level.check < 0:
            level.check = place
        elif token in (b"function", b"if", b"for", b"while", b"do", b"repeat"):
            check = place if token == b"repeat" else -1
            # first is never 0 but of the file itself: tokens are numbered from 1.
            self.levels.append(_Level(token, place + 1, check, operand=place + 1))

    def _end_statement(self, place: int) -> None:
        """An expression that no sign ends is over; with it, the condition of an `until`."""
        while True:
            level = self.levels[-1]
            self._end_expression(level, place)
            level.operand = place
            if level.kind != b"until":
                return
            self._close(self.levels.pop(), place)

    def _end_expression(self, level: _Level, place: int) -> None:
        if not level.joins:
            return
        self._insert_before(level.operand, b" (" + _JOIN + b"(")
        for join in level.joins:
            self.instead[join] = b","
        self._insert_before(level.joins[-1] + 1, b"(")
        self.behind[place - 1] = self.behind.get(place - 1, b"") + b")))"
        level.joins = []

    def _insert_before(self, place: int, text: bytes) -> None:
        self.before[place] = text + self.before.get(place, b"")

    def _close(self, level: _Level, place: int) -> None:
        """All of a level is known: what it takes can be said."""
        self._end_expression(level, place)
        steps = b"%b(%d);" % (_STEP, 1 + (place - level.first) // TOKENS_PER_STEP)
        if level.check >= 0:
            self.behind[level.check] = self.behind.get(level.check, b"") + b" " + steps
        for jump in level.jumps:
            self._insert_before(jump, b" " + steps)


def instrument(source: bytes) -> bytes | None:
    """The source with checks: a chunk to call with (step, join), which returns the plugin's chunk.

    None when it is no Lua. Raises SourceError for what Lua has, and a plugin may not use.
    """
    source = _without_heading(source)
    ends, tokens, kinds = _split(source)
    if ends is None:
        return None
    reader = _Reader(tokens, kinds)
    try:
        reader.read()
    except (IndexError, StopIteration, ValueError):  # a bracket or block of no beginning or end
        return None
    pieces = [b"local ", _STEP, b",", _JOIN, b"=... return function(...) "]
    last = 0
    for place, (token, end) in enumerate(zip(tokens, ends, strict=True)):
        pieces.append(source[last : end - len(token)])
        pieces.append(reader.before.get(place, b""))
        pieces.append(reader.instead.get(place, token))
        pieces.append(reader.behind.get(place, b""))
        last = end
    pieces += [source[last:], b"\nend"]
    return b"".join(pieces)


def _without_heading(source: bytes) -> bytes:
    """Without the mark of UTF-8 and the line of a shell, which the compiler skips at the top."""
    source = source.removeprefix(b"\xef\xbb\xbf")
    return re.sub(rb"\A#[^\r\n]*", b"", source)


def _split(source: bytes) -> tuple[list[int] | None, list[bytes], list[str]]:
    """Tokens, what they are, and where they end; None for what is none."""
    ends: list[int] = []
    tokens: list[bytes] = []
    kinds: list[str] = []
    place = 0
    while place < len(source):
        found = _TOKEN.match(source, place)
        if found is None:
            return None, [], []
        place = found.end()
        if found["blank"] is not None:
            continue
        token = found[0]
        kind = "name" if found["name"] else "number" if found["number"] else "other"
        if found["text"] is not None:
            kind = "text"
        _refuse(source, found.start(), token, kind)
        if kind == "name" and token in _KEYWORDS:
            kind = "other"
        ends.append(place)
        tokens.append(token)
        kinds.append(kind)
    return ends, tokens, kinds


def _refuse(source: bytes, start: int, token: bytes, kind: str) -> None:
    if kind == "name" and _PRIVATE in token:
        message = "expected a name without the byte 255"
    elif kind == "number" and _CDATA.search(token):
        message = f"expected a number of Lua, found {token.decode('latin-1')}"
    else:
        return
    raise SourceError(len(re.findall(rb"\r\n|\n\r|\r|\n", source[:start])) + 1, message)
