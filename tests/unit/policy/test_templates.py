# SPDX-License-Identifier: Apache-2.0
"""The policy templates that ship render to policies without errors and warnings."""

from pathlib import Path

import pytest

from stellar.policy.errors import PolicyError, RenderError
from stellar.policy.load import Source, load_document, read_source
from stellar.policy.render import render
from stellar.policy.validate import ValidatedPolicy, validate

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "appliance" / "policies" / "firewall" / "policy.yml.j2"
MANUAL = ROOT / "docs" / "firewall-policy.md"
SERVERS = ["192.0.2.20", "2001:db8::20"]


def _check(**variables: object) -> ValidatedPolicy:
    source = render(read_source(TEMPLATE), variables)
    return validate(load_document(source), interfaces=("inside", "outside"))


def test_the_firewall_template_is_a_policy_with_the_least_variables() -> None:
    checked = _check(firewall_server_addresses=SERVERS)

    rules = [(rule.name, rule.action.value) for rule in checked.policy.rules]
    assert rules == [
        ("ipv6-link", "allow"),
        ("no-telnet", "reject"),
        ("allow-web", "allow"),
        ("allow-ping", "allow"),
    ]
    assert checked.policy.default.value == "drop"
    assert checked.warnings == ()


def test_the_firewall_template_takes_every_variable() -> None:
    checked = _check(
        firewall_server_addresses=SERVERS,
        firewall_allowed_services=["web", "dns", "database"],
        firewall_rejected_services=["ssh"],
        firewall_extra_services={"database": [{"protocol": "tcp", "ports": [5432]}]},
        firewall_inside_interfaces=["inside"],
        firewall_inside_networks=["192.0.2.10/32", "2001:db8::10/128"],
        firewall_outside_interfaces=["outside"],
        firewall_default_action="reject",
    )

    assert [rule.name for rule in checked.policy.rules][1:] == [
        "no-ssh",
        "allow-web",
        "allow-dns",
        "allow-database",
    ]
    assert len(checked.policy.zones["inside"].networks) == 2


def test_the_firewall_template_wants_to_know_the_servers() -> None:
    with pytest.raises(RenderError, match="'firewall_server_addresses' is undefined"):
        _check()


def test_a_wrong_variable_is_found_in_the_template() -> None:
    with pytest.raises(PolicyError) as raised:
        _check(firewall_server_addresses=SERVERS, firewall_allowed_services=["wbe"])

    line = next(
        number
        for number, text in enumerate(TEMPLATE.read_text().splitlines(), start=1)
        if "name: allow-{{ service }}" in text
    )
    assert str(raised.value).startswith(f"{TEMPLATE}:{line}: expected one of the services (")
    assert 'found "wbe" (did you mean "web"?), in rule "allow-wbe"' in str(raised.value)


def test_the_example_of_the_manual_is_a_policy() -> None:
    _, _, rest = MANUAL.read_text().partition("```yaml\n")
    example, _, _ = rest.partition("```")

    checked = validate(load_document(Source(example, MANUAL.name)))

    assert [rule.name for rule in checked.policy.rules] == ["allow-web", "no-ping"]
    assert checked.warnings == ()
