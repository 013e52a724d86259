# SPDX-License-Identifier: Apache-2.0
"""Builds the frames of a scenario, the same bytes every time: what each `packets.py` uses.

Addresses are those of RFC 5737 and RFC 3849; the clock starts at one fixed moment and moves only
when told to.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

CLIENT, SERVER = "192.0.2.10", "198.51.100.20"
CLIENT6, SERVER6 = "2001:db8:1::10", "2001:db8:2::20"
CLIENT_MAC, SERVER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
START_NS = 1_700_000_000_000_000_000
LINKTYPE_ETHERNET = 1

_PCAP_NANOSECONDS = 0xA1B23C4D


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a capture."""

    time_ns: int
    data: bytes
    wire_length: int


@dataclass(slots=True)
class Traffic:
    """Frames in order, on a clock of their own."""

    frames: list[Frame] = field(default_factory=list)
    now_ns: int = START_NS

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += round(seconds * 1_000_000_000)

    def raw(self, data: bytes, *, captured: int | None = None) -> None:
        """Add a frame; `captured`: the capture kept only so many bytes of it."""
        self.frames.append(Frame(self.now_ns, data[:captured], len(data)))
        self.now_ns += 1_000_000

    def add(self, packet: Packet) -> None:
        """Add a frame, whole, with its checksums computed."""
        self.raw(bytes(packet))

    def there(self, layers: Packet, *, source: str = CLIENT, destination: str = SERVER) -> None:
        """Add a packet from the client's side."""
        self.add(ethernet_there() / network(source, destination) / layers)

    def back(self, layers: Packet, *, source: str = SERVER, destination: str = CLIENT) -> None:
        """Add a packet from the server's side."""
        self.add(ethernet_back() / network(source, destination) / layers)


def ethernet_there() -> Packet:
    """Link header of a frame from the client."""
    return Ether(src=CLIENT_MAC, dst=SERVER_MAC)


def ethernet_back() -> Packet:
    """Link header of a frame from the server."""
    return Ether(src=SERVER_MAC, dst=CLIENT_MAC)


def network(source: str, destination: str) -> Packet:
    """IP header of the family that the addresses are of."""
    if ":" in source:
        return IPv6(src=source, dst=destination)
    return IP(src=source, dst=destination, id=1)


@dataclass(slots=True)
class Conversation:
    """A TCP session between client and server that keeps count of its bytes."""

    traffic: Traffic
    client_port: int = 40000
    server_port: int = 80
    client: str = CLIENT
    server: str = SERVER
    sent: int = 1000
    """Next sequence number of the client."""
    answered: int = 5000
    """Next sequence number of the server."""

    def there(self, flags: str, data: bytes = b"") -> None:
        """A segment of the client."""
        segment = TCP(
            sport=self.client_port, dport=self.server_port, flags=flags, seq=self.sent,
            ack=self.answered if "A" in flags else 0,
        )  # fmt: skip
        self.traffic.there(segment / data, source=self.client, destination=self.server)
        self.sent += len(data) + ("S" in flags) + ("F" in flags)

    def back(self, flags: str, data: bytes = b"") -> None:
        """A segment of the server."""
        segment = TCP(
            sport=self.server_port, dport=self.client_port, flags=flags, seq=self.answered,
            ack=self.sent if "A" in flags else 0,
        )  # fmt: skip
        self.traffic.back(segment / data, source=self.server, destination=self.client)
        self.answered += len(data) + ("S" in flags) + ("F" in flags)

    def open(self) -> None:
        """Three segments: the handshake."""
        self.there("S")
        self.back("SA")
        self.there("A")

    def exchange(self, request: bytes = b"request", response: bytes = b"response") -> None:
        """Three segments: a request, its response, an acknowledgment."""
        self.there("PA", request)
        self.back("PA", response)
        self.there("A")

    def close(self) -> None:
        """Three segments: both sides finish, the client first."""
        self.there("FA")
        self.back("FA")
        self.there("A")


def datagram(source_port: int, destination_port: int, data: bytes = b"datagram") -> Packet:
    """A UDP datagram."""
    return UDP(sport=source_port, dport=destination_port) / data


def from_packets(packets: list[Packet]) -> list[Frame]:
    """Frames of packets that bring their own times, in seconds."""
    return [
        Frame(round(packet.time * 1_000_000) * 1000, bytes(packet), len(packet))
        for packet in packets
    ]


def write_capture(path: Path, frames: list[Frame]) -> None:
    """Write a pcap file with times in ns."""
    header = struct.pack("<IHHiIII", _PCAP_NANOSECONDS, 2, 4, 0, 0, 262144, LINKTYPE_ETHERNET)
    records = (
        struct.pack(
            "<IIII", *divmod(frame.time_ns, 1_000_000_000), len(frame.data), frame.wire_length
        )
        + frame.data
        for frame in frames
    )
    path.write_bytes(header + b"".join(records))
