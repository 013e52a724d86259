# SPDX-License-Identifier: Apache-2.0
"""Rendering: what is refused, and that the line map tells the truth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellar.policy.errors import RenderError
from stellar.policy.filters import FILTERS
from stellar.policy.load import Source
from stellar.policy.render import render


def _render(text: str, **variables: object) -> Source:
    return render(Source(text, "policy.yml.j2"), variables)


def _error(text: str, **variables: object) -> str:
    with pytest.raises(RenderError) as raised:
        _render(text, **variables)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a: 1\nb: {{ absent }}\n", 2, "'absent' is undefined"),
        ("\n\n{{ known.absent }}\n", 3, "has no attribute 'absent'"),
        ("{% if absent %}\n{% endif %}\n", 1, "'absent' is undefined"),
        ("{% macro m() %}\n{{ absent }}\n{% endmacro %}\n{{ m() }}\n", 2, "'absent' is undefined"),
        ("\n{{ absent | mandatory }}\n", 2, "mandatory variable 'absent' is undefined"),
        ("\n{{ [absent] | to_json }}\n", 2, "'absent' is undefined"),
        ("\n{% if %}\n", 2, "Expected an expression"),
        ("a\n{% for x in known %}\n", 2, "Unexpected end of template"),
        ("\n\n{{ 1 // 0 }}\n", 3, "ZeroDivisionError"),
        ("\n{{ known + 1 }}\n", 2, "TypeError"),
        ("\n{{ ().__class__.__mro__ }}\n", 2, "SecurityError"),
        ("{{ known.__init__.__globals__ }}\n", 1, "SecurityError"),
        ("\n{% include '/etc/passwd' %}\n", 2, "no loader"),
        ("{{ [1, 2] | random }}\n", 1, "No filter named 'random'"),
        ("{{ lipsum() }}\n", 1, "'lipsum' is undefined"),
        ("{% for i in range(99999999) %}{% endfor %}\n", 1, "Range too big"),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_its_line(text: str, line: int, found: str) -> None:
    error = _error(text, known="text")

    assert error.startswith(f"policy.yml.j2:{line}: expected ")
    assert found in error


def test_a_rendered_text_is_limited() -> None:
    loop = "{% for i in range(99999) %}{% for j in range(999) %}0123456789{% endfor %}{% endfor %}"

    assert "a rendered text of at most" in _error(loop)


def test_text_is_not_escaped_and_blocks_are_trimmed_as_ansible_does() -> None:
    text = "{% for name in names %}\n- {{ name }}\n{% endfor %}\nend\n"

    assert _render(text, names=["<a>", "b"]).text == "- <a>\n- b\nend\n"


def test_a_loop_maps_each_turn_to_its_template_line() -> None:
    text = "{% for name in names %}\n- {{ name }}\n\n{% endfor %}\nend: {{ names[0] }}\n"

    rendered = _render(text, names=["a", "b"])

    assert rendered.text == "- a\n\n- b\n\nend: a\n"
    assert rendered.line_map == (2, 3, 2, 3, 5, 6)


def test_a_value_of_several_lines_maps_to_the_line_of_its_expression() -> None:
    rendered = _render("a\n{{ value }}\nb\n", value="x\ny")

    assert rendered.text == "a\nx\ny\nb\n"
    assert rendered.line_map == (1, 2, 2, 3, 4)
    assert rendered.place(3).line == 2
    assert rendered.place(3).rendered_line == 3


def test_a_text_without_template_in_it_is_its_own_source() -> None:
    source = Source("a: 1\nb: 2\n", "policy.yml.j2")

    assert render(source, {}) == source


def test_a_macro_maps_to_its_own_lines() -> None:
    text = "{% macro m(x) %}\nm: {{ x }}\n{% endmacro %}\n{{ m(1) }}{{ m(2) }}z\n"

    rendered = _render(text)

    assert rendered.text == "m: 1\nm: 2\nz\n"
    assert rendered.line_map[:3] == (2, 2, 4)


def test_a_template_that_measures_its_own_output_has_no_map() -> None:
    text = "{% set x %}\nabc\n{% endset %}\nlength: {{ x | length }}\n"

    rendered = _render(text)

    assert rendered.text == "length: 4\n"
    assert rendered.line_map is None
    assert rendered.file == "policy.yml.j2 (rendered)"


# Pieces of templates. NN is replaced by the line it stands on, so that the rendered text says
# where each of its lines came from.
_PIECES = st.sampled_from(
    [
        "line NN\n",
        "  indented NN\n",
        "\n",
        "{{ 'expression NN' }}\n",
        "text {{ 1 }} NN\n",
        "{# comment\n over lines #}\n",
        "{#- trimmed #}\n",
        "{% if true %}\ninside NN\n{% else %}\nnever NN\n{% endif %}\n",
        "{%- if true %}\n\ninside NN\n{%- endif %}\n",
        "{% for i in [1, 2] -%}\n\n  loop NN\n{% endfor %}\n",
        "{% for i in [1, 2] %}\nloop NN\nsecond NN\n{% endfor -%}\n\n",
        "{% raw %}\nraw NN {{ }}\n{% endraw %}\n",
        "{% set x = [\n 1] %}\n",
        "{% filter upper %}\nfiltered NN\n{% endfilter %}\n",
    ]
)


@given(st.lists(_PIECES, max_size=12))
def test_the_line_map_tells_the_truth(pieces: list[str]) -> None:
    lines = "".join(pieces).split("\n")
    text = "\n".join(line.replace("NN", f"N{i}N") for i, line in enumerate(lines, start=1))

    rendered = _render(text)

    line_count = rendered.text.count("\n") + 1
    line_map = rendered.line_map or range(1, line_count + 1)
    assert (rendered.line_map is None) == (rendered.text == text)
    for line, origin in zip(rendered.text.split("\n"), line_map, strict=True):
        if "N" in line:
            assert f"N{origin}N" in line


def test_filters_write_what_ansible_writes() -> None:
    assert FILTERS["to_json"](["a", 'b"']) == '["a", "b\\""]'
    assert FILTERS["comment"]("managed\nhere") == "#\n# managed\n# here\n#"
    assert FILTERS["mandatory"](0) == 0
