# SPDX-License-Identifier: Apache-2.0
"""The firewall personality: what a firewall policy is for the plugin `firewall`.

`generate` writes the section that `native/plugins/firewall/section.h` describes. Names are resolved
here: addresses become sorted ranges, the longest prefix of the zones' networks is settled, and the
plugin only searches. Pure; the same policy gives the same bytes.
"""

import struct
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stellar.policy.model import RULES_MAX, ZONES_MAX, Action, FirewallPolicy, Network, Rule
from stellar.policy.reach import rule_networks, rule_services

__all__ = [
    "PLUGIN_NAME",
    "RULES_MAX",
    "ZONES_MAX",
    "AddressRange",
    "ZoneRange",
    "flatten_zones",
    "generate",
]

PLUGIN_NAME = "firewall"

MAGIC = b"STLRFWL1"
VERSION = 1
HEADER_SIZE = 64
SET_ANY = 0xFFFFFFFF
ZONES_ANY = 0xFFFFFFFFFFFFFFFF
ACTIONS = {Action.ALLOW: 0, Action.DROP: 1, Action.REJECT: 2}
ON_RELOAD_KEEP = 0

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses of one family as numbers, from first to last, both included."""

    version: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ZoneRange:
    """Addresses that belong to one zone; ids count from 1."""

    range: AddressRange
    zone_id: int


@dataclass(slots=True)
class _Sets(Generic[Item]):
    """A table of items and the distinct sets made of slices of it."""

    items: list[Item] = field(default_factory=list)
    slices: dict[tuple[Item, ...], tuple[int, int]] = field(default_factory=dict)

    def add(self, members: tuple[Item, ...]) -> tuple[int, int]:
        """Position of the first member and count; the same members share one slice."""
        if members not in self.slices:
            self.slices[members] = (len(self.items), len(members))
            self.items.extend(members)
        return self.slices[members]


class _Text:
    """NUL-terminated names, each once."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self._offsets: dict[str, int] = {}

    def add(self, name: str) -> int:
        if name not in self._offsets:
            self._offsets[name] = len(self.bytes)
            self.bytes += name.encode("ascii") + b"\0"
        return self._offsets[name]


def generate(policy: FirewallPolicy) -> bytes:
    """The firewall's section of an image."""
    return _Section(policy).build()


def flatten_zones(policy: FirewallPolicy) -> list[ZoneRange]:
    """The zone of every address that some zone's networks hold: of the longest prefix.

    Ranges are sorted, IPv4 first, and do not touch a range of the same zone.
    """
    owned = sorted(
        (
            (_to_range(network), zone_id)
            for zone_id, zone in enumerate(policy.zones.values(), start=1)
            for network in zone.networks
        ),
        key=lambda pair: (pair[0].version, pair[0].first, -pair[0].last),
    )
    flat: list[ZoneRange] = []
    around: list[tuple[AddressRange, int]] = []  # the open prefixes, each inside the one before
    position = 0  # first address that no range has yet
    for current, zone_id in [*owned, (AddressRange(0, 0, 0), 0)]:
        while around and not _is_inside(current, around[-1][0]):
            closed, owner = around.pop()
            _extend(flat, closed.version, position, closed.last, owner)
            position = closed.last + 1
        if around:
            _extend(flat, current.version, position, current.first - 1, around[-1][1])
        position = current.first
        around.append((current, zone_id))
    return flat


def _is_inside(inner: AddressRange, outer: AddressRange) -> bool:
    return inner.version == outer.version and inner.first <= outer.last


def _extend(flat: list[ZoneRange], version: int, first: int, last: int, zone_id: int) -> None:
    if first > last:
        return
    if flat and flat[-1].zone_id == zone_id:
        before = flat[-1].range
        if before.version == version and before.last + 1 == first:
            flat[-1] = ZoneRange(AddressRange(version, before.first, last), zone_id)
            return
    flat.append(ZoneRange(AddressRange(version, first, last), zone_id))


def _to_range(network: Network) -> AddressRange:
    first, last = int(network.network_address), int(network.broadcast_address)
    return AddressRange(network.version, first, last)


def _merge(networks: Iterable[Network]) -> list[AddressRange]:
    """Ranges of collapsed networks, neighbours joined."""
    merged: list[AddressRange] = []
    for item in map(_to_range, networks):
        before = merged[-1] if merged else None
        if before and before.version == item.version and before.last + 1 == item.first:
            merged[-1] = AddressRange(item.version, before.first, item.last)
        else:
            merged.append(item)
    return merged


class _Section:
    """Collects the tables of one section, in the order in which the format has them."""

    def __init__(self, policy: FirewallPolicy) -> None:
        self._policy = policy
        self._zone_ids = {name: i for i, name in enumerate(policy.zones, start=1)}
        self._text = _Text()
        self._ranges4: _Sets[AddressRange] = _Sets()
        self._ranges6: _Sets[AddressRange] = _Sets()
        self._address_sets: dict[tuple[int, int, int, int], int] = {}
        self._services: _Sets[tuple[int, int, int]] = _Sets()
        self._service_sets: dict[tuple[int, int], int] = {}

    def build(self) -> bytes:
        policy = self._policy
        zones = [struct.pack("<I", self._text.add(name)) for name in policy.zones]
        interfaces = [
            struct.pack("<II", self._text.add(interface), self._zone_ids[name])
            for name, zone in policy.zones.items()
            for interface in zone.interfaces
        ]
        zone_ranges = flatten_zones(policy)
        rules = [self._pack_rule(rule) for rule in policy.rules]
        tables = (
            zones,
            interfaces,
            [_pack_range(z.range, z.zone_id) for z in zone_ranges if z.range.version == 4],
            [_pack_range(z.range, z.zone_id) for z in zone_ranges if z.range.version == 6],
            [_pack_range(item) for item in self._ranges4.items],
            [_pack_range(item) for item in self._ranges6.items],
            [struct.pack("<IIII", *entry) for entry in self._address_sets],
            [struct.pack("<B3xHH", *item) for item in self._services.items],
            [struct.pack("<II", *entry) for entry in self._service_sets],
            rules,
        )
        body = b"".join(b"".join(table) for table in tables) + self._text.bytes
        counts = [*(len(table) for table in tables), len(self._text.bytes)]
        return self._pack_header(len(body), counts) + body

    def _pack_header(self, body_size: int, counts: Sequence[int]) -> bytes:
        return struct.pack(
            "<8sII11IBBBx",
            MAGIC,
            HEADER_SIZE + body_size,
            VERSION,
            *counts,
            ACTIONS[self._policy.default],
            ON_RELOAD_KEEP,
            self._find_fallback_zone(),
        )

    def _find_fallback_zone(self) -> int:
        """The zone of all other addresses: declared so, or the only one without networks."""
        zones = self._policy.zones
        for name, zone in zones.items():
            if not zone.interfaces and not zone.networks:
                return self._zone_ids[name]
        bare = [name for name, zone in zones.items() if not zone.networks]
        return self._zone_ids[bare[0]] if len(bare) == 1 else 0

    def _pack_rule(self, rule: Rule) -> bytes:
        return struct.pack(
            "<IIQQIII4x",
            self._text.add(rule.name),
            ACTIONS[rule.action],
            self._zone_bits(rule.from_zones),
            self._zone_bits(rule.to_zones),
            self._add_addresses(rule_networks(self._policy, rule.source)),
            self._add_addresses(rule_networks(self._policy, rule.destination)),
            self._add_services(rule.service),
        )

    def _zone_bits(self, names: Sequence[str]) -> int:
        if not names:
            return ZONES_ANY
        return sum({1 << self._zone_ids[name] for name in names})

    def _add_addresses(self, networks: Sequence[Network]) -> int:
        if not networks:
            return SET_ANY
        ranges = _merge(networks)
        slice4 = self._ranges4.add(tuple(r for r in ranges if r.version == 4))
        slice6 = self._ranges6.add(tuple(r for r in ranges if r.version == 6))
        return self._address_sets.setdefault((*slice4, *slice6), len(self._address_sets))

    def _add_services(self, names: Sequence[str]) -> int:
        if not names:
            return SET_ANY
        services = rule_services(self._policy, names)
        members = tuple((protocol, ports.first, ports.last) for protocol, ports in services)
        entry = self._services.add(members)
        return self._service_sets.setdefault(entry, len(self._service_sets))


def _pack_range(item: AddressRange, *zone_id: int) -> bytes:
    length, order = (4, "little") if item.version == 4 else (16, "big")
    ends = b"".join(end.to_bytes(length, order) for end in (item.first, item.last))  # type: ignore[arg-type]
    return ends + b"".join(struct.pack("<I", number) for number in zone_id)
