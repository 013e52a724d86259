# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an operator's policy, and how it is said.

One problem is one line, `file:line: expected X, found Y`. All problems of a document travel in one
exception, so that an operator corrects them in one go. Raised by this package and by
`stellar.personality`; caught by the CLI and the control daemon.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "InvalidPolicyError",
    "LoadError",
    "Place",
    "PolicyError",
    "PolicyProblem",
    "RenderError",
    "describe",
]

_FOUND_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class Place:
    """A line that the operator wrote; of the template, when the document came from one."""

    file: str
    line: int
    rendered_line: int | None = None
    """The line of the rendered text, when that is another text than the file's."""


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One thing that is wrong (or, as a warning, doubtful) in a policy."""

    place: Place
    expected: str
    found: str
    rule: str | None = None

    def __str__(self) -> str:
        rule = f", in rule {describe(self.rule)}" if self.rule is not None else ""
        rendered = ""
        if self.place.rendered_line is not None:
            rendered = f" (rendered line {self.place.rendered_line})"
        where = f"{self.place.file}:{self.place.line}"
        line = f"{where}: expected {self.expected}, found {self.found}{rule}{rendered}"
        return "".join(_printable(letter) for letter in line)


class PolicyError(Exception):
    """The operator's policy, template or variables are wrong; nothing was changed."""

    def __init__(self, problems: Sequence[PolicyProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class LoadError(PolicyError):
    """The text is not the strict YAML that a policy is written in."""


class RenderError(PolicyError):
    """The template could not be rendered."""


class InvalidPolicyError(PolicyError):
    """The document is YAML, but no policy."""


def describe(value: object) -> str:
    """A value as an error names it: short, quoted when it is text."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            text = value if len(value) <= _FOUND_LENGTH_MAX else value[:_FOUND_LENGTH_MAX] + "..."
            return f'"{text}"'
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            return str(value)


def _printable(letter: str) -> str:
    """So that a document can't write to the operator's terminal what it likes."""
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
