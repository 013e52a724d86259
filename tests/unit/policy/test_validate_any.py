# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a document, it is a policy that compiles or it is refused in lines."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stellar.personality.firewall import generate
from stellar.policy.errors import InvalidPolicyError
from stellar.policy.load import Source, load_document
from stellar.policy.validate import validate

GOOD = {
    "personality": "firewall",
    "on_reload": "keep",
    "zones": {"in": {"interfaces": ["a"], "networks": ["192.0.2.0/24"]}, "out": {}},
    "networks": {"servers": ["198.51.100.10", "2001:db8::/64"]},
    "services": {"web": [{"protocol": "tcp", "ports": [80, "81-90"]}], "ping": [{"protocol": 1}]},
    "rules": [
        {"name": "r1", "from": "in", "to": ["out"], "service": ["web"], "action": "allow"},
        {"name": "r2", "source": ["servers", "192.0.2.1"], "service": "ping", "action": "drop"},
        {"name": "r3", "log": False, "action": "reject"},
    ],
    "default": "drop",
}

_WORDS = st.sampled_from(
    ["in", "out", "servers", "web", "ping", "any", "allow", "keep", "firewall", "192.0.2.0/24",
     "2001:db8::1", "tcp", "1-2", "name", "zones", "rules", "ports", "nat", "", "x y",
     "a\nb", "\x1b[2J", "\u2028"]
)  # fmt: skip
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70000) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)


def _change(value: Any, draw: st.DrawFn) -> Any:
    """Replace, remove or add at a random place."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 5)) == 0:
        return draw(_VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    match draw(st.integers(0, 9)):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[draw(_WORDS)] = draw(_VALUES)
        case 1:
            value.append(copy.deepcopy(value[key]))
        case _:
            value[key] = _change(value[key], draw)
    return value


@st.composite
def _documents(draw: st.DrawFn) -> Any:
    document: Any = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(0, 4))):
        document = _change(document, draw)
    return document


@settings(max_examples=600, deadline=None)
@given(_documents())
def test_any_document_compiles_or_is_refused_in_lines(document: Any) -> None:
    text = json.dumps(document, indent=1)
    try:
        checked = validate(load_document(Source(text, "policy.yml")), interfaces=("a",))
    except InvalidPolicyError as error:
        assert error.problems
        for problem in error.problems:
            assert 1 <= problem.place.line <= text.count("\n") + 1
            assert str(problem).isprintable()
    else:
        assert generate(checked.policy).startswith(b"STLRFWL1")
