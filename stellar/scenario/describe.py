# SPDX-License-Identifier: Apache-2.0
"""A frame as a line that a person reads, and that an expectation is written in."""

import ipaddress
import struct
from collections.abc import Mapping

from stellar.scenario.frame import ICMP, ICMPV6, TCP, TCP_FLAGS, UDP
from stellar.scenario.icmp import ECHO, kind_name
from stellar.scenario.model import Host

__all__ = ["describe_frame"]

_TEXT_MAX = 40
_FRAGMENT_HEADER = 44


def describe_frame(data: bytes, hosts: Mapping[str, Host] | None = None) -> str:
    """`client:40000 > server:80 tcp PA "hello"`; hosts that have no name go by their address."""
    try:
        return _ethernet(data, {host.address.packed: host.name for host in (hosts or {}).values()})
    except (struct.error, IndexError, ValueError):
        return f"frame of {len(data)} bytes"


def _ethernet(data: bytes, names: Mapping[bytes, str]) -> str:
    (kind,) = struct.unpack_from(">H", data, 12)
    at, tag = 14, ""
    if kind == 0x8100:
        vlan, kind = struct.unpack_from(">HH", data, 14)
        at, tag = 18, f"vlan {vlan & 0xFFF} "
    if kind == 0x0800:
        return tag + _ipv4(data[at:], names)
    if kind == 0x86DD:
        return tag + _ipv6(data[at:], names)
    return f"{tag}frame of type 0x{kind:04x}, {len(data)} bytes"


def _ipv4(data: bytes, names: Mapping[bytes, str]) -> str:
    (length,) = struct.unpack_from(">H", data, 2)
    (fragment,) = struct.unpack_from(">H", data, 6)
    ends = (_name(data[12:16], names), _name(data[16:20], names))
    payload = data[(data[0] & 15) * 4 : length]
    if fragment & 0x3FFF:
        return _fragment(ends, (fragment & 0x1FFF) * 8, len(payload))
    return _transport(data[9], payload, ends)


def _ipv6(data: bytes, names: Mapping[bytes, str]) -> str:
    length, protocol = struct.unpack_from(">HB", data, 4)
    ends = (_name(data[8:24], names), _name(data[24:40], names))
    payload = data[40 : 40 + length]
    if protocol == _FRAGMENT_HEADER:
        (place,) = struct.unpack_from(">H", payload, 2)
        return _fragment(ends, place & 0xFFF8, len(payload) - 8)
    return _transport(protocol, payload, ends)


def _transport(protocol: int, data: bytes, ends: tuple[str, str]) -> str:
    if protocol in (TCP, UDP):
        source, destination = struct.unpack_from(">HH", data)
        line = f"{_with_port(ends[0], source)} > {_with_port(ends[1], destination)}"
        if protocol == UDP:
            return f"{line} udp{_payload(data[8:])}"
        flags = "".join(flag for i, flag in enumerate(TCP_FLAGS) if data[13] >> i & 1)
        return f"{line} tcp {flags or '-'}{_payload(data[(data[12] >> 4) * 4 :])}"
    line = f"{ends[0]} > {ends[1]}"
    if protocol in (ICMP, ICMPV6):
        payload = _payload(data[8:]) if data[0] in ECHO[protocol] else ""
        return f"{line} icmp {kind_name(protocol, data[0], data[1])}{payload}"
    return f"{line} protocol {protocol}, {len(data)} bytes"


def _fragment(ends: tuple[str, str], offset: int, length: int) -> str:
    return f"{ends[0]} > {ends[1]} fragment at {offset}, {length} bytes"


def _payload(data: bytes) -> str:
    if not data:
        return ""
    text = data.decode("ascii", "replace")
    if len(text) <= _TEXT_MAX and text.isprintable() and "\ufffd" not in text:
        return f' "{text}"'
    return f" {len(data)} bytes"


def _name(address: bytes, names: Mapping[bytes, str]) -> str:
    return names.get(address) or str(ipaddress.ip_address(address))


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
