# SPDX-License-Identifier: Apache-2.0
"""The firewall's section: its format is the header's, its content is the policy's."""

import ipaddress
import re
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stellar.personality import firewall
from stellar.policy.load import Source, load_document
from stellar.policy.model import FirewallPolicy, Network
from stellar.policy.validate import validate

HEADER = Path(__file__).parents[3] / "native" / "plugins" / "firewall" / "section.h"

POLICY = """\
personality: firewall
zones:
  inside: {interfaces: [inside], networks: [192.0.2.0/24]}
  outside: {interfaces: [outside]}
networks: {servers: [198.51.100.10/32, 198.51.100.11/32, 2001:db8::10/128]}
services: {web: [{protocol: tcp, ports: [80, 8000-8080, 81]}]}
rules:
  - {name: allow-web, from: inside, destination: servers, service: web, action: allow}
  - {name: no-more, source: servers, service: web, action: reject}
default: drop
"""


def _policy(text: str = POLICY) -> FirewallPolicy:
    return validate(load_document(Source(text, "policy.yml"))).policy


def test_constants_are_those_of_the_header() -> None:
    text = HEADER.read_text()
    defines = dict(re.findall(r"^#define (FIREWALL_\w+) (.+)$", text, re.MULTILINE))
    actions = re.findall(r"\tX\((\w+), [A-Z]+\)", text)

    assert defines["FIREWALL_SECTION_MAGIC"] == f'"{firewall.MAGIC.decode()}"'
    assert defines["FIREWALL_SECTION_VERSION"] == f"{firewall.VERSION}u"
    assert defines["FIREWALL_SECTION_HEADER_SIZE"] == f"{firewall.HEADER_SIZE}u"
    assert defines["FIREWALL_SET_ANY"] == "UINT32_MAX"
    assert defines["FIREWALL_ZONES_MAX"] == f"{firewall.ZONES_MAX}u"
    assert defines["FIREWALL_RULES_MAX"] == f"{firewall.RULES_MAX}u"
    assert firewall.SET_ANY == 2**32 - 1
    assert {a.value: number for a, number in firewall.ACTIONS.items()} == {
        name: number for number, name in enumerate(actions)
    }


def test_the_section_has_the_sizes_that_its_header_says() -> None:
    entry_sizes = [
        int(size) for size in re.findall(r"X\(\w+, [A-Z0-9_]+, (\d+)\)", HEADER.read_text())
    ]
    section = firewall.generate(_policy())

    magic, size, version, *counts = struct.unpack_from("<8sII11I", section)

    assert (magic, size, version) == (b"STLRFWL1", len(section), 1)
    tables = sum(count * entry for count, entry in zip(counts, entry_sizes, strict=True))
    assert size == 64 + tables
    assert counts == [2, 2, 1, 0, 1, 1, 1, 2, 1, 2, len(b"inside\0outside\0allow-web\0no-more\0")]


def test_the_same_policy_gives_the_same_bytes() -> None:
    assert firewall.generate(_policy()) == firewall.generate(_policy(POLICY.replace(", ", ",  ")))


def _fallback_zone(zones: str) -> int:
    text = f"personality: firewall\nzones: {zones}\nrules: []\ndefault: drop\n"
    return firewall.generate(_policy(text))[62]


def test_the_fallback_zone_is_declared_or_the_only_one_without_networks() -> None:
    assert _fallback_zone("{a: {networks: [192.0.2.0/24]}, b: {interfaces: [b]}}") == 2
    assert _fallback_zone("{a: {interfaces: [a]}, b: {interfaces: [b]}}") == 0
    assert _fallback_zone("{a: {interfaces: [a]}, b: {interfaces: [b]}, c: {}}") == 3


_ADDRESSES = st.integers(0, 255)
_NETWORKS = st.builds(
    lambda first, length: ipaddress.ip_network((first, length), strict=False),
    _ADDRESSES,
    st.integers(24, 32),
)


@given(st.dictionaries(_NETWORKS, st.sampled_from(["a", "b", "c"]), max_size=12), _ADDRESSES)
def test_an_address_is_in_the_zone_of_its_longest_prefix(
    owners: dict[Network, str], number: int
) -> None:
    zones = {
        name: {"networks": [str(n) for n, owner in owners.items() if owner == name]}
        if name in owners.values()
        else {"interfaces": [name]}
        for name in ("a", "b", "c")
    }
    policy = FirewallPolicy.model_validate(
        {"personality": "firewall", "zones": zones, "rules": [], "default": "drop"}
    )

    flat = firewall.flatten_zones(policy)

    address = ipaddress.IPv4Address(number)
    around = [network for network in owners if address in network]
    longest = max(around, key=lambda network: network.prefixlen, default=None)
    expected = [] if longest is None else [list(zones).index(owners[longest]) + 1]
    assert [r.zone_id for r in flat if r.range.first <= number <= r.range.last] == expected
    assert all(a.range.last < b.range.first for a, b in zip(flat, flat[1:], strict=False))
