# SPDX-License-Identifier: Apache-2.0
"""Rules that one earlier rule hides: found, and nothing else is."""

import pytest

from stellar.policy.load import Source, load_document
from stellar.policy.validate import validate

HEAD = """\
personality: firewall
zones: {inside: {networks: [192.0.2.0/24]}, outside: {}}
networks:
  few: [192.0.2.4/31]
  halves: [192.0.2.0/25, 192.0.2.128/25]
  both: [192.0.2.9, 2001:db8::9]
services:
  web: [{protocol: tcp, ports: [80]}]
  high: [{protocol: tcp, ports: [1-79, 80-65535]}]
  ping: [{protocol: icmp, types: [8]}]
  icmp: [{protocol: icmp}]
rules:
"""


def _warnings(first: str, second: str) -> list[str]:
    rules = f"- {{name: first, action: allow{first}}}\n- {{name: second, action: drop{second}}}\n"
    source = Source(f"{HEAD}{rules}default: drop\n", "policy.yml")
    return [str(warning) for warning in validate(load_document(source)).warnings]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", ""),
        ("", ", from: inside, source: few, service: web"),
        (", from: [inside, outside]", ", from: inside"),
        (", source: 192.0.2.0/24", ", source: few"),
        (", source: halves", ", source: 192.0.2.0/24"),
        (", destination: [192.0.2.0/24, 2001:db8::/32]", ", destination: both"),
        (", service: high", ", service: web"),
        (", service: icmp", ", service: ping"),
    ],
)
def test_a_rule_that_an_earlier_one_covers_is_a_warning(first: str, second: str) -> None:
    assert _warnings(first, second) == [
        "policy.yml:14: expected a rule that some session reaches, found one whose sessions"
        ' "first" (line 13) takes all, in rule "second"'
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (", from: inside", ""),
        (", from: inside", ", from: outside"),
        (", from: [inside, outside]", ""),
        (", source: few", ", source: 192.0.2.0/24"),
        (", destination: 192.0.2.0/24", ", destination: both"),
        (", service: web", ", service: high"),
        (", service: ping", ", service: icmp"),
        (", service: high", ", service: ping"),
        (", source: few, service: web", ", source: few"),
    ],
)
def test_a_rule_that_some_session_reaches_is_no_warning(first: str, second: str) -> None:
    assert _warnings(first, second) == []
