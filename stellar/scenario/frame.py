# SPDX-License-Identifier: Apache-2.0
"""Builds packets, layer by layer, with their checksums: bytes in, bytes out."""

import ipaddress
import struct
from dataclasses import dataclass

from stellar.scenario.model import Address

__all__ = [
    "ICMP",
    "ICMPV6",
    "TCP",
    "TCP_FLAGS",
    "UDP",
    "Frame",
    "Network",
    "build_datagrams",
    "build_ethernet",
    "build_icmp",
    "build_tcp",
    "build_udp",
    "checksum",
]

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
TCP_FLAGS = "FSRPAUEC"
_FRAGMENT_HEADER = 44
_MORE_FRAGMENTS = 0x2000


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, when it comes, and where."""

    time_ns: int
    interface: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Network:
    """What the IP header says."""

    source: Address
    destination: Address
    protocol: int
    id: int = 0
    ttl: int = 64


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def build_tcp(
    network: Network, ports: tuple[int, int], fields: tuple[int, int, str, int], data: bytes
) -> bytes:
    """A segment; fields: sequence number, acknowledgment number, flags, window."""
    sequence, acknowledgment, flags, window = fields
    bits = sum(1 << TCP_FLAGS.index(flag) for flag in set(flags))
    header = struct.pack(
        ">HHIIHHHH", *ports, sequence % 2**32, acknowledgment % 2**32, 5 << 12 | bits, window, 0, 0
    )
    return _with_checksum(network, header + data, 16)


def build_udp(network: Network, ports: tuple[int, int], data: bytes) -> bytes:
    """A UDP datagram."""
    built = _with_checksum(network, struct.pack(">HHHH", *ports, 8 + len(data), 0) + data, 6)
    # A sum of zero goes as its other spelling: zero means that there is none (RFC 768).
    return built[:6] + b"\xff\xff" + built[8:] if built[6:8] == b"\0\0" else built


def build_icmp(network: Network, kind: int, code: int, rest: bytes, data: bytes) -> bytes:
    """An ICMP message of the header's family; rest: the second four bytes."""
    message = struct.pack(">BBH", kind, code, 0) + rest + data
    if network.protocol == ICMPV6:
        return _with_checksum(network, message, 2)
    return message[:2] + struct.pack(">H", checksum(message)) + message[4:]


def build_datagrams(network: Network, payload: bytes, *, piece_bytes: int = 0) -> list[bytes]:
    """The IP packet, or its fragments of so many bytes of payload (a multiple of 8)."""
    if piece_bytes == 0 or len(payload) <= piece_bytes:
        return [_ip(network, payload, 0, is_piece=False)]
    pieces = range(0, len(payload), piece_bytes)
    return [
        _ip(
            network,
            payload[at : at + piece_bytes],
            at // 8 | (_MORE_FRAGMENTS if at + piece_bytes < len(payload) else 0),
            is_piece=True,
        )
        for at in pieces
    ]


def build_ethernet(source: bytes, destination: bytes, packet: bytes, *, vlan: int = 0) -> bytes:
    """The frame around an IP packet; vlan 0: without a tag."""
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    tag = struct.pack(">HH", 0x8100, vlan) if vlan else b""
    return destination + source + tag + struct.pack(">H", kind) + packet


def _ip(network: Network, payload: bytes, fragment: int, *, is_piece: bool) -> bytes:
    addresses = network.source.packed + network.destination.packed
    if isinstance(network.source, ipaddress.IPv4Address):
        header = struct.pack(
            ">BBHHHBBH", 0x45, 0, 20 + len(payload), network.id % 2**16, fragment, network.ttl,
            network.protocol, 0,
        )  # fmt: skip
        total = struct.pack(">H", checksum(header + addresses))
        return header[:10] + total + addresses + payload
    protocol = network.protocol
    if is_piece:
        more, offset = fragment >> 13 & 1, fragment & 0x1FFF
        payload = struct.pack(">BBHI", protocol, 0, offset << 3 | more, network.id) + payload
        protocol = _FRAGMENT_HEADER
    fixed = struct.pack(">IHBB", 6 << 28, len(payload), protocol, network.ttl)
    return fixed + addresses + payload


def _with_checksum(network: Network, message: bytes, at: int) -> bytes:
    addresses = network.source.packed + network.destination.packed
    # The pseudo headers of IPv4 and IPv6 differ in what sums to the same.
    pseudo = addresses + struct.pack(">II", len(message), network.protocol)
    return message[:at] + struct.pack(">H", checksum(pseudo + message)) + message[at + 2 :]
