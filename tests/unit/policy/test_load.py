# SPDX-License-Identifier: Apache-2.0
"""Strict YAML: what it reads, and the line it names for what it refuses."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellar.policy.errors import LoadError
from stellar.policy.load import (
    DEPTH_MAX,
    NODE_COUNT_MAX,
    Document,
    Source,
    load_document,
    load_variables,
    read_source,
)


def _load(text: str) -> Document:
    return load_document(Source(text, "policy.yml"))


def _error(text: str) -> str:
    with pytest.raises(LoadError) as raised:
        _load(text)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("'true'", "true"),
        ("null", None),
        ("~", None),
        ("12", 12),
        ("-3", -3),
        ("'12'", "12"),
        ("010", "010"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("1.10", "1.10"),
        ("1:30", "1:30"),
        ("12:30:45", "12:30:45"),
        ("2026-11-22", "2026-11-22"),
        ("2001:db8::10", "2001:db8::10"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("=", "="),
        ("|\n  12", "12"),
    ],
)
def test_a_scalar_reads_as_it_looks(text: str, value: object) -> None:
    document = _load(f"key: {text}")

    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "expected", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "each key once", '"a" again (first on line 1)'),
        ("a:\n  b: 1\n  b: 2\n", 3, "each key once", '"b" again (first on line 2)'),
        ("1: a\n'1': b\n", 2, "each key once", '"1" again (first on line 1)'),
        ("a: &x [1]\n", 1, "a value without anchor", "&x"),
        ("a: 1\nb: *x\n", 2, "a value", "the alias *x"),
        ("a: 1\nb: !!int 3\n", 2, "a value without tag", "tag:yaml.org,2002:int"),
        ("a: !x 3\n", 1, "a value without tag", "!x"),
        (
            "!!python/name:os.system ''\n",
            1,
            "a value without tag",
            "tag:yaml.org,2002:python/name:",
        ),
        ("? [a]\n: b\n", 1, "a key that is text", "a list or mapping as key"),
        ("a: 1\n---\nb: 2\n", 2, "one document", "the start of another"),
        ("%YAML 1.1\n---\na: 1\n", 1, "a document without directives", "a directive"),
        ("", 1, "a document", "an empty text"),
        ("# nothing\n", 1, "a document", "an empty text"),
        ("a: b: c\n", 1, "YAML", "mapping values are not allowed"),
        ("\ta: 1\n", 1, "YAML", "character that cannot start any token"),
        ("a: 1\nb: \x00\n", 2, "printable text", "character"),
    ],
)
def test_what_is_not_strict_is_refused_with_its_line(
    text: str, line: int, expected: str, found: str
) -> None:
    error = _error(text)

    assert error.startswith(f"policy.yml:{line}: expected {expected}")
    assert found in error


def test_nesting_is_limited() -> None:
    error = _error("[" * (DEPTH_MAX + 10))

    assert f"at most {DEPTH_MAX} levels" in error


def test_the_number_of_values_is_limited() -> None:
    error = _error("[" + "1," * (NODE_COUNT_MAX + 1) + "]")

    assert f"at most {NODE_COUNT_MAX} values" in error


def test_each_value_and_key_has_its_line() -> None:
    document = _load("a:\n  - 1\n  -\n    b: [2,\n      3]\n")

    assert document.place(("a", 0)).line == 2
    assert document.place(("a", 1, "b", 1)).line == 5
    assert document.key_place(("a",)).line == 1
    assert document.place(("a", 1, "absent", 7)).line == 4


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    path.write_bytes(b"a: 1\nb: \xff\n")

    with pytest.raises(LoadError) as raised:
        read_source(path)

    assert str(raised.value) == f"{path}:2: expected UTF-8 text, found byte 0xff"


def test_variables_are_a_mapping() -> None:
    assert load_variables(Source('{"a": [1, "b"]}', "vars.json")) == {"a": [1, "b"]}
    with pytest.raises(LoadError, match=r"vars.yml:1: expected a mapping of variables"):
        load_variables(Source("- a\n", "vars.yml"))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(codec="ascii", categories=["L"])), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_json_reads_as_json(value: object) -> None:
    assert _load(json.dumps({"key": value})).value == {"key": value}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        _load(text)
    except LoadError as error:
        assert str(error).startswith("policy.yml:")
        assert "\n" not in str(error)
