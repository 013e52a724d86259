# SPDX-License-Identifier: Apache-2.0
"""The compiled policy, searched by the plugin's own classifier, decides as the document reads.

Random policies and sessions; the reference below goes through the rules as an operator would.
"""

import ipaddress
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stellar.personality.firewall import generate
from stellar.policy.model import FirewallPolicy, Network, Rule, Service

ROOT = Path(__file__).parents[3]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))
CLASSIFY = BUILD / "tests" / "native" / "plugins" / "classify"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Query:
    source: Address
    destination: Address
    protocol: int
    port: int
    from_zone: int
    to_zone: int

    def __str__(self) -> str:
        numbers = f"{self.protocol} {self.port} {self.from_zone} {self.to_zone}"
        return f"{self.source} {self.destination} {numbers}"


# A small world, so that rules and sessions meet: 192.0.2.0/26 and 2001:db8::/122.
_BASES = (ipaddress.ip_address("192.0.2.0"), ipaddress.ip_address("2001:db8::"))
_ZONES = ("a", "b", "c")
_PROTOCOLS = st.sampled_from([1, 6, 17, 47, 58, 200])


@st.composite
def _networks(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 9)) == 0:
        # Half of a /64: its ends share the upper 64 bits with the world's, not the lower.
        return draw(st.sampled_from(["2001:db8::/65", "2001:db8:0:0:8000::/65"]))
    base = draw(st.sampled_from(_BASES)) + draw(st.integers(0, 63))
    length = base.max_prefixlen - draw(st.integers(0, 6))
    return str(ipaddress.ip_network(f"{base}/{length}", strict=False))


@st.composite
def _ranges(draw: st.DrawFn, greatest: int) -> str:
    first, last = sorted((draw(st.integers(0, greatest)), draw(st.integers(0, greatest))))
    return f"{first}-{last}"


@st.composite
def _services(draw: st.DrawFn) -> dict[str, object]:
    service: dict[str, object] = {"protocol": draw(_PROTOCOLS)}
    if service["protocol"] in (6, 17) and draw(st.booleans()):
        service["ports"] = draw(st.lists(_ranges(40), min_size=1, max_size=3))
    if service["protocol"] in (1, 58) and draw(st.booleans()):
        service["types"] = draw(st.lists(_ranges(4), min_size=1, max_size=3))
    return service


def _selection(items: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    return st.just("any") | st.lists(items, min_size=1, max_size=3)


_NAMES = st.sampled_from(["one", "two", "three"])
_RULES = st.fixed_dictionaries(
    {
        "from": _selection(st.sampled_from(_ZONES)),
        "to": _selection(st.sampled_from(_ZONES)),
        "source": _selection(_networks() | _NAMES),
        "destination": _selection(_networks() | _NAMES),
        "service": _selection(_NAMES),
        "action": st.sampled_from(["allow", "drop", "reject"]),
    }
)


@st.composite
def _policies(draw: st.DrawFn) -> FirewallPolicy:
    owned = draw(st.dictionaries(_networks(), st.sampled_from(_ZONES), max_size=6))
    zones: dict[str, object] = {}
    for name in _ZONES:
        networks = [network for network, zone in owned.items() if zone == name]
        zones[name] = {"networks": networks} if networks else {"interfaces": [name]}
    named = st.fixed_dictionaries(
        {n: st.lists(_networks(), min_size=1, max_size=4) for n in ("one", "two", "three")}
    )
    services = st.fixed_dictionaries(
        {n: st.lists(_services(), min_size=1, max_size=3) for n in ("one", "two", "three")}
    )
    rules = draw(st.lists(_RULES, max_size=8))
    return FirewallPolicy.model_validate(
        {
            "personality": "firewall",
            "zones": zones,
            "networks": draw(named),
            "services": draw(services),
            "rules": [{"name": f"r{i}", **rule} for i, rule in enumerate(rules)],
            "default": "drop",
        }
    )


@st.composite
def _queries(draw: st.DrawFn) -> Query:
    base = draw(st.sampled_from(_BASES))
    protocol = draw(_PROTOCOLS)
    port = draw(st.integers(0, 41)) if protocol in (6, 17) else 0
    if protocol in (1, 58):
        port = draw(st.integers(0, 5)) << 8 | draw(st.sampled_from([0, 1, 255]))
    return Query(
        source=base + draw(st.integers(0, 64)),
        destination=base + draw(st.integers(0, 64)),
        protocol=protocol,
        port=port,
        from_zone=draw(st.integers(0, 3)),
        to_zone=draw(st.integers(0, 3)),
    )


def _find_rule(policy: FirewallPolicy, query: Query) -> int:
    for number, rule in enumerate(policy.rules, start=1):
        if _matches(policy, rule, query):
            return number
    return 0


def _matches(policy: FirewallPolicy, rule: Rule, query: Query) -> bool:
    return (
        _holds_zone(policy, rule.from_zones, query.from_zone)
        and _holds_zone(policy, rule.to_zones, query.to_zone)
        and _holds_address(policy, rule.source, query.source)
        and _holds_address(policy, rule.destination, query.destination)
        and (
            not rule.service
            or any(
                _holds_service(service, query)
                for name in rule.service
                for service in policy.services[name]
            )
        )
    )


def _holds_zone(policy: FirewallPolicy, names: tuple[str, ...], zone_id: int) -> bool:
    return not names or (zone_id > 0 and list(policy.zones)[zone_id - 1] in names)


def _holds_address(
    policy: FirewallPolicy, selection: tuple[str | Network, ...], address: Address
) -> bool:
    return not selection or any(
        address in network
        for item in selection
        for network in (policy.networks[item] if isinstance(item, str) else (item,))
    )


def _holds_service(service: Service, query: Query) -> bool:
    if service.protocol != query.protocol:
        return False
    if service.types:
        return any(t.first <= query.port >> 8 <= t.last for t in service.types)
    return not service.ports or any(p.first <= query.port <= p.last for p in service.ports)


def _find_zone(policy: FirewallPolicy, address: Address) -> int:
    found = [
        (network.prefixlen, number)
        for number, zone in enumerate(policy.zones.values(), start=1)
        for network in zone.networks
        if address in network
    ]
    bare = [n for n, zone in enumerate(policy.zones.values(), start=1) if not zone.networks]
    return max(found)[1] if found else bare[0] if len(bare) == 1 else 0


def _classify(policy: FirewallPolicy, queries: list[Query]) -> list[tuple[int, ...]]:
    with TemporaryDirectory() as folder:
        section = Path(folder) / "section.bin"
        section.write_bytes(generate(policy))
        done = subprocess.run(
            [CLASSIFY, section],
            input="".join(f"{query}\n" for query in queries),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    return [tuple(int(word) for word in line.split()) for line in done.stdout.splitlines()]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_policies(), st.lists(_queries(), min_size=1, max_size=60))
def test_the_plugin_decides_as_the_document_reads(
    policy: FirewallPolicy, queries: list[Query]
) -> None:
    answers = _classify(policy, queries)

    assert answers == [
        (_find_rule(policy, q), _find_zone(policy, q.source), _find_zone(policy, q.destination))
        for q in queries
    ]
