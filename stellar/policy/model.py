# SPDX-License-Identifier: Apache-2.0
"""The firewall policy document: its keys, their types, and the JSON Schema made from them.

What one value may be is decided here; what values mean together (a rule that names a zone) is
`validate.py`. A selection that is the empty tuple means `any`.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from stellar.policy.errors import describe

__all__ = [
    "Action",
    "FirewallPolicy",
    "Network",
    "OnReload",
    "PortRange",
    "Rule",
    "Service",
    "Zone",
    "policy_schema",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ANY = "any"
RULES_MAX = 100_000
ZONES_MAX = 63
_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,62}"
_INTERFACE_NAME = r"[A-Za-z][A-Za-z0-9_.-]{0,31}"
_PORT_RANGE = re.compile(r"(0|[1-9][0-9]{0,4})(?:-(0|[1-9][0-9]{0,4}))?")

PROTOCOLS: Mapping[str, int] = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ospf": 89,
    "vrrp": 112,
    "sctp": 132,
}
_WITH_PORTS = (PROTOCOLS["tcp"], PROTOCOLS["udp"])
_WITH_TYPES = (PROTOCOLS["icmp"], PROTOCOLS["icmpv6"])


class Action(Enum):
    """What a rule asks for; `reject` is a drop that answers with RST or ICMP."""

    ALLOW = "allow"
    DROP = "drop"
    REJECT = "reject"


class OnReload(Enum):
    """What becomes of sessions that an older policy judged."""

    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports, or ICMP types, from first to last, both included."""

    first: int
    last: int


def _unexpected(expected: str, value: object, found: str | None = None) -> PydanticCustomError:
    """An error of ours, which `validate.py` shows word for word."""
    context = {"expected": expected, "found": found or describe(value)}
    return PydanticCustomError("unexpected", "expected {expected}, found {found}", context)


def _check_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_NAME, value) or value == ANY:
        raise _unexpected(
            "a name (a letter, then at most 62 letters, digits, - or _; not any)", value
        )
    return value


def _check_interface(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_INTERFACE_NAME, value):
        raise _unexpected("the name of an interface", value)
    return value


def _parse_network(value: object) -> Network:
    expected = "an IPv4 or IPv6 network as address/length"
    if not isinstance(value, str) or "%" in value:
        raise _unexpected(expected, value)
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        pass
    try:
        whole = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise _unexpected(expected, value) from None
    raise _unexpected(
        expected, value, f"{describe(value)}, which has bits beyond its length (network {whole})"
    )


def _parse_address(value: object) -> str | Network:
    """The name of a network, or a network as it is."""
    if isinstance(value, str) and re.fullmatch(_NAME, value):
        return value
    if isinstance(value, str) and ("." in value or ":" in value or "/" in value):
        return _parse_network(value)
    raise _unexpected("the name of a network, or a network as address/length", value)


def _parse_range(value: object, greatest: int, expected: str) -> PortRange:
    text = "" if isinstance(value, bool) else str(value)
    match = _PORT_RANGE.fullmatch(text)
    if match is None:
        raise _unexpected(expected, value)
    first = int(match[1])
    last = int(match[2]) if match[2] is not None else first
    if first > last or last > greatest:
        raise _unexpected(expected, value)
    return PortRange(first, last)


def _parse_ports(value: object) -> PortRange:
    return _parse_range(value, 65535, "a port from 0 to 65535, or a range as first-last")


def _parse_types(value: object) -> PortRange:
    return _parse_range(value, 255, "an ICMP type from 0 to 255, or a range as first-last")


def _parse_protocol(value: object) -> int:
    if isinstance(value, str) and value in PROTOCOLS:
        return PROTOCOLS[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise _unexpected(f"a protocol ({', '.join(PROTOCOLS)}) or its number", value)


def _to_tuple(value: object) -> object:
    if not isinstance(value, list):
        return value
    if not value:
        raise _unexpected("at least one item", value)
    return tuple(value)


def _to_selection(value: object) -> object:
    """`any`, one item or a list of them; `any` becomes the empty tuple."""
    if value == ANY:
        return ()
    return _to_tuple(value if isinstance(value, list) else [value])


_NAME_SCHEMA = {"type": "string", "pattern": f"^{_NAME}$"}
_INTERFACE_SCHEMA = {"type": "string", "pattern": f"^{_INTERFACE_NAME}$"}
_NETWORK_SCHEMA = {"type": "string", "examples": ["192.0.2.0/24", "2001:db8::10/128"]}
_PROTOCOL_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": list(PROTOCOLS)},
        {"type": "integer", "minimum": 0, "maximum": 255},
    ]
}


def _range_schema(greatest: int) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 0, "maximum": greatest}
    return {"anyOf": [number, {"type": "string", "pattern": f"^{_PORT_RANGE.pattern}$"}]}


def _list_schema(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": item, "minItems": 1})


def _selection_schema(item: dict[str, Any]) -> WithJsonSchema:
    array = {"type": "array", "items": item, "minItems": 1}
    return WithJsonSchema({"anyOf": [{"const": ANY}, item, array], "default": ANY})


Name = Annotated[str, PlainValidator(_check_name), WithJsonSchema(_NAME_SCHEMA)]
Interfaces = Annotated[
    tuple[Annotated[str, PlainValidator(_check_interface)], ...],
    BeforeValidator(_to_tuple),
    _list_schema(_INTERFACE_SCHEMA),
]
Networks = Annotated[
    tuple[Annotated[Network, PlainValidator(_parse_network)], ...],
    BeforeValidator(_to_tuple),
    _list_schema(_NETWORK_SCHEMA),
]
Ports = Annotated[
    tuple[Annotated[PortRange, PlainValidator(_parse_ports)], ...],
    BeforeValidator(_to_tuple),
    _list_schema(_range_schema(65535)),
]
Types = Annotated[
    tuple[Annotated[PortRange, PlainValidator(_parse_types)], ...],
    BeforeValidator(_to_tuple),
    _list_schema(_range_schema(255)),
]
Names = Annotated[tuple[Name, ...], BeforeValidator(_to_selection), _selection_schema(_NAME_SCHEMA)]
Addresses = Annotated[
    tuple[Annotated[str | Network, PlainValidator(_parse_address)], ...],
    BeforeValidator(_to_selection),
    _selection_schema({"anyOf": [_NAME_SCHEMA, _NETWORK_SCHEMA]}),
]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class Zone(_Model):
    """A set of interfaces, of networks, or both. One with neither holds what no other does."""

    interfaces: Interfaces = Field(default_factory=tuple)
    """Interfaces of the appliance whose traffic enters by this zone."""
    networks: Networks = Field(default_factory=tuple)
    """Addresses that live in the zone; others that enter by its interfaces are spoofed."""


class Service(_Model):
    """One protocol, and the responder's ports or ICMP types where it has them."""

    protocol: Annotated[int, PlainValidator(_parse_protocol), WithJsonSchema(_PROTOCOL_SCHEMA)]
    """IP protocol, by name or number."""
    ports: Ports = Field(default_factory=tuple)
    """Ports of the responder; left out: any. Only with tcp and udp."""
    types: Types = Field(default_factory=tuple)
    """ICMP types; left out: any. Only with icmp and icmpv6."""

    @model_validator(mode="after")
    def _check_protocol(self) -> "Service":
        if self.ports and self.protocol not in _WITH_PORTS:
            raise _unexpected("ports with tcp or udp only", None, "ports with another protocol")
        if self.types and self.protocol not in _WITH_TYPES:
            raise _unexpected("types with icmp or icmpv6 only", None, "types with another protocol")
        return self


Services = Annotated[tuple[Service, ...], Field(min_length=1), BeforeValidator(_to_tuple)]


class Rule(_Model):
    """The first rule that matches the first packet of a session judges the session."""

    name: Name
    """Unique; names the rule in verdicts, events and counters."""
    from_zones: Names = Field(default_factory=tuple, alias="from")
    """Zone of the originator."""
    to_zones: Names = Field(default_factory=tuple, alias="to")
    """Zone of the responder."""
    source: Addresses = Field(default_factory=tuple)
    """Networks of the originator."""
    destination: Addresses = Field(default_factory=tuple)
    """Networks of the responder."""
    service: Names = Field(default_factory=tuple)
    """What the session is for."""
    action: Annotated[Action, Field(strict=False)]
    """What becomes of the session."""
    log: Literal[False] = False
    """Every verdict is in the EVE events already; logging by rule is not supported yet."""


class FirewallPolicy(_Model):
    """A policy of the personality `firewall`."""

    personality: Literal["firewall"]
    """Which personality the policy is for."""
    on_reload: Annotated[OnReload, Field(strict=False)] = OnReload.KEEP
    """What becomes of sessions that an older policy judged; they keep its verdict."""
    zones: Annotated[Mapping[Name, Zone], Field(min_length=1)]
    """Zones by name."""
    networks: Mapping[Name, Networks] = Field(default_factory=dict)
    """Named sets of networks."""
    services: Mapping[Name, Services] = Field(default_factory=dict)
    """Named sets of services."""
    rules: Annotated[tuple[Rule, ...], Field(strict=False, max_length=RULES_MAX)]
    """Ordered rules; the first match decides."""
    default: Annotated[Action, Field(strict=False)]
    """What becomes of sessions that no rule matches."""


def policy_schema() -> str:
    """JSON Schema of a firewall policy, as published in `docs/`."""
    schema = FirewallPolicy.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"
