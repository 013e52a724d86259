# SPDX-License-Identifier: Apache-2.0
"""Jinja2 filters of policy templates.

Each has the name and the meaning of Ansible's filter of that name, because the same template is
rendered by Ansible in a deployment and by `stellar policy render` beside it.
"""

import json
from collections.abc import Callable, Mapping

import jinja2

__all__ = ["FILTERS"]


def comment(text: str) -> str:
    """Turn each line into a YAML comment."""
    return "\n".join(f"# {line}".rstrip() for line in ["", *text.splitlines(), ""])


def mandatory(value: object) -> object:
    """Give the value back, or fail when it is undefined."""
    if isinstance(value, jinja2.Undefined):
        raise jinja2.UndefinedError(f"mandatory variable {value._undefined_name!r} is undefined")
    return value


def to_json(value: object) -> str:
    """Write a value as JSON, which is YAML too: lists and quoted text on one line."""
    return json.dumps(value, default=_refuse)


def _refuse(value: object) -> object:
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises UndefinedError, which names the variable
    raise TypeError(f"{type(value).__name__} is not JSON")


FILTERS: Mapping[str, Callable[..., object]] = {
    "comment": comment,
    "mandatory": mandatory,
    "to_json": to_json,
}
