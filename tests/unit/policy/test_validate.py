# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a policy is named by file, line, rule, expectation and finding."""

import pytest

from stellar.policy.errors import InvalidPolicyError
from stellar.policy.load import Source, load_document
from stellar.policy.validate import ValidatedPolicy, validate

GOOD = """\
personality: firewall
on_reload: keep
zones:
  inside: {interfaces: [inside], networks: [192.0.2.0/24, "2001:db8::/64"]}
  outside: {interfaces: [outside]}
networks: {servers: [198.51.100.10/32, 2001:db8:1::10/128]}
services:
  web: [{protocol: tcp, ports: [80, 8000-8080]}]
  ping: [{protocol: icmp, types: [8]}, {protocol: icmpv6, types: [128]}]
rules:
  - {name: allow-web, from: inside, to: outside, destination: [servers], service: web,
     action: allow}
  - {name: no-ping, source: 192.0.2.7, service: ping, action: reject}
default: drop
"""


def _validate(text: str, interfaces: tuple[str, ...] | None = None) -> ValidatedPolicy:
    return validate(load_document(Source(text, "policy.yml")), interfaces=interfaces)


def _problems(text: str, interfaces: tuple[str, ...] | None = None) -> list[str]:
    with pytest.raises(InvalidPolicyError) as raised:
        _validate(text, interfaces)
    return [str(problem) for problem in raised.value.problems]


def test_a_good_policy_is_accepted_without_warnings() -> None:
    checked = _validate(GOOD, interfaces=("inside", "outside"))

    assert [rule.name for rule in checked.policy.rules] == ["allow-web", "no-ping"]
    assert checked.warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "from: inside",
            "form: inside",
            "policy.yml:11: expected one of the keys name, from, to, source, destination, service,"
            ' action, log, found "form" (did you mean "from"?), in rule "allow-web"',
        ),
        (
            "from: inside",
            "from: insde",
            "policy.yml:11: expected one of the zones (inside, outside), found"
            ' "insde" (did you mean "inside"?), in rule "allow-web"',
        ),
        (
            "to: outside",
            "to: [outside, dmz]",
            'policy.yml:11: expected one of the zones (inside, outside), found "dmz",'
            ' in rule "allow-web"',
        ),
        (
            "destination: [servers]",
            "destination: [servrs]",
            'policy.yml:11: expected one of the networks (servers), found "servrs"'
            ' (did you mean "servers"?), in rule "allow-web"',
        ),
        (
            "service: ping",
            "service: ntp",
            'policy.yml:13: expected one of the services (web, ping), found "ntp",'
            ' in rule "no-ping"',
        ),
        (
            "name: no-ping",
            "name: allow-web",
            'policy.yml:13: expected each rule name once, found "allow-web" again'
            ' (first on line 11), in rule "allow-web"',
        ),
        (
            "action: reject",
            "action: rejct",
            'policy.yml:13: expected allow, drop or reject, found "rejct" (did you mean "reject"?),'
            ' in rule "no-ping"',
        ),
        (
            "action: reject",
            "action: rate_limit",
            'policy.yml:13: expected allow, drop or reject, found "rate_limit",'
            ' which is not supported yet, in rule "no-ping"',
        ),
        (
            "action: reject",
            "log: true, action: reject",
            "policy.yml:13: expected false, found true"
            " (logging by rule is not supported yet: EVE has every verdict),"
            ' in rule "no-ping"',
        ),
        (
            "source: 192.0.2.7",
            "source: []",
            'policy.yml:13: expected at least one item, found an empty list, in rule "no-ping"',
        ),
        (
            "source: 192.0.2.7",
            "source: 192.0.2.7/24",
            "policy.yml:13: expected an IPv4 or IPv6 network as address/length, found"
            ' "192.0.2.7/24", which has bits beyond its length (network 192.0.2.0/24),'
            ' in rule "no-ping"',
        ),
        (
            "source: 192.0.2.7",
            "source: fe80::1%eth0",
            "policy.yml:13: expected an IPv4 or IPv6 network as address/length, found"
            ' "fe80::1%eth0", in rule "no-ping"',
        ),
        (
            ", action: reject",
            "",
            'policy.yml:13: expected the key "action", found none, in rule "no-ping"',
        ),
        (
            "on_reload: keep",
            "on_reload: rejudge",
            'policy.yml:2: expected keep, found "rejudge", which is not supported yet',
        ),
        (
            "personality: firewall",
            "personality: ids",
            'policy.yml:1: expected firewall, found "ids", which is not supported yet',
        ),
        (
            "default: drop",
            "default: drop\nnat: []",
            "policy.yml:15: expected one of the keys personality, on_reload, zones, networks,"
            ' services, rules, default, found "nat", which is not supported yet',
        ),
        (
            "interfaces: [outside]",
            "interfaces: [inside]",
            'policy.yml:5: expected each of the interfaces in one zone, found "inside",'
            ' which is in "inside" too',
        ),
        (
            "interfaces: [outside]",
            "networks: [192.0.2.0/24]",
            'policy.yml:5: expected each of the networks in one zone, found "192.0.2.0/24",'
            ' which is in "inside" too',
        ),
        (
            "  outside: {interfaces: [outside]}",
            "  outside: {}\n  elsewhere: {}",
            "policy.yml:6: expected at most one zone without interfaces and networks, found"
            ' another, beside "outside"',
        ),
        (
            "8000-8080",
            "8080-8000",
            "policy.yml:8: expected a port from 0 to 65535, or a range as first-last, found"
            ' "8080-8000"',
        ),
        (
            "8000-8080",
            "65536",
            "policy.yml:8: expected a port from 0 to 65535, or a range as first-last, found 65536",
        ),
        (
            "types: [8]",
            "ports: [8]",
            "policy.yml:9: expected ports with tcp or udp only, found ports with another protocol",
        ),
        (
            "protocol: tcp",
            "protocol: tpc",
            "policy.yml:8: expected a protocol (icmp, igmp, tcp, udp, gre, esp, ah, icmpv6, ospf,"
            ' vrrp, sctp) or its number, found "tpc"',
        ),
        (
            "  ping:",
            "  any:",
            "policy.yml:9: expected a name (a letter, then at most 62 letters, digits, - or _;"
            ' not any), found "any"',
        ),
    ],
)
def test_a_mistake_is_named_with_line_and_rule(old: str, new: str, problem: str) -> None:
    assert old in GOOD

    problems = _problems(GOOD.replace(old, new, 1))

    assert problem in problems


def test_an_interface_outside_of_the_topology_is_named() -> None:
    problems = _problems(GOOD, interfaces=("inside", "outsid"))

    assert problems == [
        "policy.yml:5: expected an interface of the topology (inside, outsid), found"
        ' "outside" (did you mean "outsid"?)'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "policy.yml:1: expected a mapping, found a list"),
        ("a\n", 'policy.yml:1: expected a mapping, found "a"'),
        ("null\n", "policy.yml:1: expected a mapping, found nothing"),
    ],
)
def test_a_document_that_is_no_mapping_is_refused(text: str, problem: str) -> None:
    assert _problems(text) == [problem]


def test_all_mistakes_are_reported_in_the_order_of_lines() -> None:
    text = GOOD.replace("keep", "close").replace("to: outside", "to: outsde, sorce: any")
    text = text.replace("service: ping, action: reject", "service: pong, action: block")

    problems = _problems(text)

    assert [problem.split(": ")[0] for problem in problems] == [
        "policy.yml:2",
        "policy.yml:11",
        "policy.yml:11",
        "policy.yml:13",
        "policy.yml:13",
    ]


def test_a_mistake_in_a_zone_does_not_make_its_name_unknown() -> None:
    problems = _problems(GOOD.replace("interfaces: [inside]", "interface: inside"))

    assert len(problems) == 1
    assert '"interface" (did you mean "interfaces"?)' in problems[0]


def test_a_place_in_a_rendered_text_names_both_lines() -> None:
    line_map = tuple(range(101, 117))
    source = Source(GOOD.replace("insde", "x").replace("drop", "dorp"), "policy.yml.j2", line_map)

    with pytest.raises(InvalidPolicyError) as raised:
        validate(load_document(source))

    assert str(raised.value) == (
        'policy.yml.j2:114: expected allow, drop or reject, found "dorp"'
        ' (did you mean "drop"?) (rendered line 14)'
    )
