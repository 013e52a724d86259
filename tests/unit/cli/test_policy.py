# SPDX-License-Identifier: Apache-2.0
"""The policy commands that need no appliance, and those that ask for one."""

import json

import pytest

from stellar.cli.main import main

TEMPLATE = """\
personality: firewall
zones:
  inside: {interfaces: [inside], networks: [{{ inside_network }}]}
  outside: {interfaces: [outside]}
rules: []
default: {{ default_action }}
"""


@pytest.fixture
def policy(tmp_path, policy_text):
    path = tmp_path / "web.yml"
    path.write_text(policy_text)
    return path


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "web.yml.j2"
    path.write_text(TEMPLATE)
    variables = tmp_path / "vars.yml"
    variables.write_text("inside_network: 192.0.2.0/24\ndefault_action: drop\n")
    return path, variables


def test_valid_policy_is_accepted(capsys, policy):
    assert main(["policy", "check", str(policy)]) == 0

    assert capsys.readouterr().out == f"{policy}: a valid policy of 1 rule\n"


def test_rejected_policy_is_code_3_and_a_line_a_problem(capsys, policy, policy_text):
    policy.write_text(policy_text.replace("[web], action", "[wep], action") + "colour: red\n")

    assert main(["policy", "check", str(policy)]) == 3

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{policy}:8: expected ") and "wep" in lines[0]
    assert lines[1].startswith(f"{policy}:10: expected ")


def test_problems_are_json_when_asked(capsys, policy):
    policy.write_text("personality: firewall\n")

    assert main(["policy", "check", str(policy), "--json"]) == 3

    answer = json.loads(capsys.readouterr().out)
    assert answer["accepted"] is False
    assert {"file", "line", "rule", "expected", "found", "text"} <= set(answer["errors"][0])


def test_interfaces_must_be_those_of_the_configuration(capsys, policy, tmp_path):
    config = tmp_path / "stellar.yml"
    config.write_text(
        'personality: firewall\npolicy: /p.yml\ninterfaces: [{name: inside, device: "memory:a"}]\n'
    )

    assert main(["policy", "check", str(policy), "--config", str(config)]) == 3

    assert "outside" in capsys.readouterr().err


def test_unreachable_rule_is_a_warning(capsys, policy, policy_text):
    again = "  - {name: again, from: inside, to: outside, service: [web], action: drop}\n"
    policy.write_text(policy_text.replace("default:", again + "default:"))

    assert main(["policy", "check", str(policy)]) == 0

    assert capsys.readouterr().err.startswith(f"warning: {policy}:9: ")


def test_template_is_rendered_with_its_variables(capsys, template):
    path, variables = template

    assert main(["policy", "render", str(path), "--vars", str(variables)]) == 0

    assert "networks: [192.0.2.0/24]" in capsys.readouterr().out


def test_later_variables_win(capsys, template, tmp_path):
    path, variables = template
    more = tmp_path / "more.yml"
    more.write_text("default_action: reject\n")

    assert main(["policy", "render", str(path), "--vars", str(variables), "--vars", str(more)]) == 0

    assert capsys.readouterr().out.endswith("default: reject\n")


def test_undefined_variable_is_code_3_with_the_templates_line(capsys, template):
    assert main(["policy", "check", str(template[0])]) == 3

    assert capsys.readouterr().err.startswith(f"{template[0]}:3: expected every variable")


def test_schema_is_json(capsys):
    assert main(["policy", "schema"]) == 0

    assert "rules" in json.loads(capsys.readouterr().out)["properties"]


def test_confirm_within_is_not_in_this_version(capsys, policy):
    assert main(["policy", "apply", str(policy), "--confirm-within", "5m"]) == 2

    assert capsys.readouterr().err == "--confirm-within: not in this version\n"


def test_apply_names_problems_by_the_templates_line_before_it_asks(capsys, template, tmp_path):
    path, variables = template
    variables.write_text("inside_network: 192.0.2.0/24\ndefault_action: ignore\n")

    words = ["policy", "apply", str(path), "--vars", str(variables)]
    assert main([*words, "--socket", str(tmp_path / "absent")]) == 3

    assert capsys.readouterr().err.startswith(f"{path}:6: expected ")
