# SPDX-License-Identifier: Apache-2.0
"""Finds rules that no session reaches, because one earlier rule matches all that they match.

Each dimension (zones, addresses, services) answers for one rule: which rules cover it there, as a
set of bits. Their intersection, cut to earlier rules, is what hides the rule. So the work grows
with the number of distinct values and not with the square of the number of rules. A rule hidden by
several earlier ones together is not found. Pure; used by `validate.py`.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from stellar.policy.model import FirewallPolicy, Network, PortRange

__all__ = ["collapse", "find_unreachable", "rule_networks", "rule_services"]

T = TypeVar("T")
ProtocolPorts = tuple[int, PortRange]
_ItemCover = Callable[[Mapping[T, int]], Callable[[T], int]]

_ALL_PORTS = PortRange(0, 65535)


def rule_networks(policy: FirewallPolicy, selection: Iterable[str | Network]) -> list[Network]:
    """The networks that a selection names, none twice and none inside another."""
    networks: list[Network] = []
    for item in selection:
        networks.extend(policy.networks[item] if isinstance(item, str) else (item,))
    return collapse(networks)


def collapse(networks: Iterable[Network]) -> list[Network]:
    """The same addresses in the fewest networks, IPv4 first, each family in order."""
    listed = list(networks)
    v4 = [n for n in listed if isinstance(n, ipaddress.IPv4Network)]
    v6 = [n for n in listed if isinstance(n, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6)]


def rule_services(policy: FirewallPolicy, names: Iterable[str]) -> list[ProtocolPorts]:
    """Protocol and port ranges that services name, sorted, none touching another.

    An ICMP type is the range of ports type << 8 to type << 8 | 255: the engine gives a session's
    first type and code as the responder's port.
    """
    ranges: dict[int, list[PortRange]] = defaultdict(list)
    for name in names:
        for service in policy.services[name]:
            types = [PortRange(t.first << 8, t.last << 8 | 255) for t in service.types]
            ranges[service.protocol].extend(service.ports or types or [_ALL_PORTS])
    return [(p, r) for p in sorted(ranges) for r in _merge(ranges[p])]


def _merge(ranges: Iterable[PortRange]) -> list[PortRange]:
    merged: list[PortRange] = []
    for item in sorted(ranges, key=lambda r: (r.first, r.last)):
        if merged and item.first <= merged[-1].last + 1:
            merged[-1] = PortRange(merged[-1].first, max(merged[-1].last, item.last))
        else:
            merged.append(item)
    return merged


def find_unreachable(policy: FirewallPolicy) -> list[tuple[int, int]]:
    """Pairs (rule, the first earlier rule that covers it), as positions in `policy.rules`."""
    rules = policy.rules
    dimensions = [
        _cover([r.from_zones for r in rules], _zone_cover),
        _cover([r.to_zones for r in rules], _zone_cover),
        _cover([tuple(rule_networks(policy, r.source)) for r in rules], _network_cover),
        _cover([tuple(rule_networks(policy, r.destination)) for r in rules], _network_cover),
        _cover([tuple(rule_services(policy, r.service)) for r in rules], _service_cover),
    ]
    pairs: list[tuple[int, int]] = []
    for position, covers in enumerate(zip(*dimensions, strict=True)):
        common = (1 << position) - 1
        for bits in covers:
            common &= bits
        if common:
            pairs.append((position, (common & -common).bit_length() - 1))
    return pairs


def _cover(selections: Sequence[tuple[T, ...]], item_cover: _ItemCover[T]) -> list[int]:
    """For each selection the set of selections that cover it, as bits; the empty one is any."""
    any_bits = 0
    exact: dict[T, int] = defaultdict(int)
    for position, selection in enumerate(selections):
        if not selection:
            any_bits |= 1 << position
        for item in selection:
            exact[item] |= 1 << position
    find = item_cover(exact)
    known: dict[tuple[T, ...], int] = {}
    for selection in selections:
        if selection in known:
            continue
        bits = -1 if selection else any_bits
        for item in selection:
            bits &= find(item) | any_bits
        known[selection] = bits
    return [known[selection] for selection in selections]


def _zone_cover(exact: Mapping[str, int]) -> Callable[[str], int]:
    return lambda zone: exact[zone]


def _network_cover(exact: Mapping[Network, int]) -> Callable[[Network], int]:
    # By family, length and leading bits: only lengths that occur are looked up.
    by_prefix: dict[tuple[int, int, int], int] = {}
    lengths: dict[int, set[int]] = {4: set(), 6: set()}
    for network, rules in exact.items():
        lengths[network.version].add(network.prefixlen)
        by_prefix[_leading_bits(network, network.prefixlen)] = rules

    def find(wanted: Network) -> int:
        bits = 0
        for length in lengths[wanted.version]:
            if length <= wanted.prefixlen:
                bits |= by_prefix.get(_leading_bits(wanted, length), 0)
        return bits

    return find


def _leading_bits(network: Network, length: int) -> tuple[int, int, int]:
    bits = int(network.network_address) >> (network.max_prefixlen - length)
    return network.version, length, bits


def _service_cover(exact: Mapping[ProtocolPorts, int]) -> Callable[[ProtocolPorts], int]:
    def find(wanted: ProtocolPorts) -> int:
        bits = 0
        for (protocol, ports), rules in exact.items():
            if protocol == wanted[0] and ports.first <= wanted[1].first:
                bits |= rules if ports.last >= wanted[1].last else 0
        return bits

    return find
