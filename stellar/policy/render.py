# SPDX-License-Identifier: Apache-2.0
"""Renders a policy template, and knows which template line each rendered line came from.

Jinja2, sandboxed: no files, no includes, no randomness, every variable must be defined. Block
trimming is set as Ansible sets it, so that both render the same text.

The line map: the template is rendered a second time with a mark in front of every piece of static
text and every expression, saying its line. Where removing the marks gives the first text, the marks
tell the truth and become the map. Where it does not (a template that measures its own output) there
is no map, and errors name rendered lines alone.
"""

import re
import traceback
from collections.abc import Iterable, Iterator, Mapping

import jinja2
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.sandbox import ImmutableSandboxedEnvironment

from stellar.policy.errors import Place, PolicyProblem, RenderError
from stellar.policy.filters import FILTERS
from stellar.policy.load import SIZE_BYTES_MAX, Source

__all__ = ["render"]

_TEMPLATE_NAME = "<policy template>"
_MARK = re.compile("\ue000([0-9]+)\ue001")
_MARK_LENGTH_MAX = 12
# What an expression over wrong values raises; anything else is a bug of ours.
_EXPRESSION_ERRORS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class _TooLong(ValueError):
    """The rendered text outgrew its limit."""


class _LineMarks(Extension):
    """Marks static text, each of its lines, and each expression with the line it stands on."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, "data", _mark_lines(token.value, token.lineno))
            elif token.type == "variable_begin":
                yield Token(token.lineno, "data", _mark(token.lineno))
                yield token
            else:
                yield token


def render(template: Source, variables: Mapping[str, object]) -> Source:
    """Render a template; RenderError names the template line where it can't be."""
    text = _render(template, variables, marked=False)
    if text == template.text:  # nothing to render: Ansible checks its result under the .j2 name
        return Source(text, template.file)
    marked = _render(template, variables, marked=True)
    if _MARK.sub("", marked) != text:
        return Source(text, f"{template.file} (rendered)")
    return Source(text, template.file, tuple(_map_lines(marked)))


def _render(template: Source, variables: Mapping[str, object], *, marked: bool) -> str:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
        extensions=(_LineMarks,) if marked else (),
    )
    environment.filters.pop("random")
    environment.filters.update(FILTERS)
    environment.globals.pop("lipsum")
    try:
        code = environment.compile(template.text, _TEMPLATE_NAME, template.file)
        compiled = jinja2.Template.from_code(environment, code, environment.make_globals(None))
        length_max = SIZE_BYTES_MAX * (_MARK_LENGTH_MAX if marked else 1)
        return "".join(_limit(compiled.generate(dict(variables)), length_max))
    except jinja2.TemplateSyntaxError as error:
        raise _error(template, error.lineno, "a Jinja2 template", error.message) from None
    except _TooLong:
        expected = f"a rendered text of at most {SIZE_BYTES_MAX} bytes"
        raise _error(template, 1, expected, "a larger one") from None
    except jinja2.UndefinedError as error:
        line = _template_line(error, template.file)
        expected = "every variable to be defined"
        raise _error(template, line, expected, error.message) from None
    except _EXPRESSION_ERRORS as error:
        line = _template_line(error, template.file)
        found = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise _error(template, line, "an expression that has a value", found) from None


def _limit(chunks: Iterable[str], length_max: int) -> Iterator[str]:
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > length_max:
            raise _TooLong
        yield chunk


def _template_line(error: BaseException, file: str) -> int:
    """Line of the innermost template frame: Jinja2 rewrites tracebacks to template lines."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return (lines[-1] or 1) if lines else 1


def _error(template: Source, line: int, expected: str, found: str | None) -> RenderError:
    place = Place(template.file, line)
    return RenderError([PolicyProblem(place, expected, found or "something else")])


def _mark(line: int) -> str:
    return f"\ue000{line}\ue001"


def _mark_lines(text: str, line: int) -> str:
    return "\n".join(_mark(line + i) + part for i, part in enumerate(text.split("\n")))


def _map_lines(marked: str) -> Iterator[int]:
    """For each rendered line the mark in force at its first visible character."""
    line = 1
    for marked_line in marked.split("\n"):
        line_shown: int | None = None
        position = 0
        for mark in _MARK.finditer(marked_line):
            if line_shown is None and marked_line[position : mark.start()].strip():
                line_shown = line
            line = int(mark.group(1))
            position = mark.end()
        yield line if line_shown is None else line_shown
