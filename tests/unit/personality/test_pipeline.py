# SPDX-License-Identifier: Apache-2.0
"""From a file to an image."""

from pathlib import Path

import pytest

from stellar.personality import check_policy, compile_policy, open_policy, read_variables
from stellar.policy.errors import InvalidPolicyError, RenderError

TEMPLATE = """\
personality: firewall
zones: {inside: {}}
rules:
{% for name in names %}
  - {name: {{ name }}, action: {{ action }}}
{% endfor %}
default: drop
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yml.j2"
    path.write_text(TEMPLATE)
    return path


def test_a_template_becomes_an_image(template: Path, tmp_path: Path) -> None:
    variables = tmp_path / "variables.json"
    variables.write_text('{"names": ["a", "b"], "action": "allow"}')

    source = open_policy(template, read_variables(variables))
    image = compile_policy(check_policy(source).policy, generation=3)

    assert source.text.count("action: allow") == 2
    assert image.startswith(b"STLRPOL1")


def test_a_mistake_in_a_template_names_template_and_rendered_line(template: Path) -> None:
    source = open_policy(template, {"names": ["a", "b"], "action": "permit"})

    with pytest.raises(InvalidPolicyError) as raised:
        check_policy(source)

    assert [str(problem) for problem in raised.value.problems] == [
        f'{template}:5: expected allow, drop or reject, found "permit", in rule "a"'
        " (rendered line 4)",
        f'{template}:5: expected allow, drop or reject, found "permit", in rule "b"'
        " (rendered line 5)",
    ]


def test_an_undefined_variable_names_the_template_line(template: Path) -> None:
    with pytest.raises(RenderError) as raised:
        open_policy(template, {"names": ["a"]})

    assert str(raised.value) == (
        f"{template}:5: expected every variable to be defined, found 'action' is undefined"
    )


def test_an_absent_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_policy(tmp_path / "absent.yml")


def test_the_same_policy_and_generation_give_the_same_image(template: Path) -> None:
    def build(generation: int) -> bytes:
        source = open_policy(template, {"names": ["a"], "action": "drop"})
        return compile_policy(check_policy(source).policy, generation=generation)

    assert build(1) == build(1)
    assert build(1) != build(2)
