# SPDX-License-Identifier: Apache-2.0
"""Whatever tunnels are put around a datagram, decoding finds it, and every layer on the way."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, GRE_PPTP, Dot1Q, Ether
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

ROOT = Path(__file__).parents[3]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))
LAYERS_MAX = 16  # STELLAR_LAYERS_MAX
FRAMES = 40  # of an example: one run of the program


@dataclass(frozen=True)
class Carrier:
    """What can be put around an IP packet, and the layers that it adds, outermost first."""

    layers: tuple[str, ...]
    wrap: Callable[[Packet], Packet]


def frame(inner: Packet) -> Packet:
    return Ether(src="02:00:00:00:00:11", dst="02:00:00:00:00:12") / inner


def udp(port: int) -> Packet:
    return UDP(sport=50000, dport=port)


def l2tp(inner: Packet) -> Packet:
    message = HDLC() / PPP() / inner
    header = b"\x40\x02" + (len(message) + 8).to_bytes(2, "big") + b"\0\1\0\2"
    return udp(1701) / Raw(header + bytes(message))


CARRIERS = [
    Carrier((), lambda inner: inner),
    Carrier(("gre",), lambda inner: GRE(chksum_present=1, seqnum_present=1) / inner),
    Carrier(("gre", "ethernet"), lambda inner: GRE(key_present=1, key=1 << 20) / frame(inner)),
    Carrier(
        ("gre", "ppp"),
        lambda inner: GRE_PPTP(seqnum_present=1, sequence_number=1) / HDLC() / PPP() / inner,
    ),
    Carrier(("gre", "ethernet"), lambda inner: GRE(proto=0x88BE) / frame(inner)),
    Carrier(
        ("gre", "erspan", "ethernet"),
        lambda inner: GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / frame(inner),
    ),
    Carrier(
        ("gre", "erspan", "ethernet"),
        lambda inner: GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III() / frame(inner),
    ),
    Carrier(
        ("udp", "vxlan", "ethernet"),
        lambda inner: udp(4789) / VXLAN(vni=1, flags="Instance") / frame(inner),
    ),
    Carrier(
        ("udp", "vxlan", "ethernet", "vlan"),
        lambda inner: udp(8472) / VXLAN(flags="Instance") / frame(Dot1Q(vlan=5) / inner),
    ),
    Carrier(
        ("udp", "vxlan", "ethernet", "mpls"),
        lambda inner: udp(4789) / VXLAN(flags="Instance") / frame(MPLS(label=16, s=1) / inner),
    ),
    Carrier(
        ("udp", "geneve", "ethernet"),
        lambda inner: udp(6081) / GENEVE(proto=0x6558) / frame(inner),
    ),
    Carrier(("udp", "gtp_u"), lambda inner: udp(2152) / GTP_U_Header(teid=7) / inner),
    Carrier(("udp", "l2tp", "ppp"), l2tp),
]

LINKS = [
    Carrier(("ethernet",), frame),
    Carrier(("ethernet", "vlan", "vlan"), lambda inner: frame(Dot1Q() / Dot1Q() / inner)),
    Carrier(("ethernet", "mpls"), lambda inner: frame(MPLS(s=0) / MPLS(s=1) / inner)),
    Carrier(("ethernet", "pppoe", "ppp"), lambda inner: frame(PPPoE() / PPP() / inner)),
]

ports = st.integers(10_000, 65_535)
addresses4 = st.ip_addresses(v=4).map(str)
addresses6 = st.ip_addresses(v=6).map(str)


@st.composite
def networks(draw: st.DrawFn) -> Packet:
    if draw(st.booleans()):
        return IP(src=draw(addresses4), dst=draw(addresses4))
    return IPv6(src=draw(addresses6), dst=draw(addresses6))


@st.composite
def nestings(draw: st.DrawFn) -> tuple[Packet, tuple[str, ...], tuple[str, ...]]:
    """A frame, its layers, and its innermost datagram as the program prints it."""
    network = draw(networks())
    transport = draw(st.sampled_from([TCP, UDP]))(sport=draw(ports), dport=draw(ports))
    name = "ipv4" if isinstance(network, IP) else "ipv6"
    layers: tuple[str, ...] = (name, transport.name.lower())
    packet = network / transport
    expected = (
        name[-1], "6" if isinstance(transport, TCP) else "17",
        network.src, str(transport.sport), network.dst, str(transport.dport),
    )  # fmt: skip
    for carrier in draw(st.lists(st.sampled_from(CARRIERS), max_size=5)):
        outer = draw(networks())
        packet = outer / carrier.wrap(packet)
        layers = ("ipv4" if isinstance(outer, IP) else "ipv6", *carrier.layers, *layers)
    link = draw(st.sampled_from(LINKS))
    return link.wrap(packet), (*link.layers, *layers), expected


def decode(frames: list[Packet]) -> list[list[str]]:
    binary = BUILD / "tests" / "native" / "packet_tuples"
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "nestings.pcap"
        wrpcap(str(capture), frames)
        command = [binary, Path(folder) / "copy.pcapng", capture]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(nestings(), min_size=FRAMES, max_size=FRAMES))
def test_innermost_datagram_is_what_was_put_in(
    built: list[tuple[Packet, tuple[str, ...], tuple[str, ...]]],
) -> None:
    found = decode([packet for packet, _, _ in built])

    for (_, layers, expected), columns in zip(built, found, strict=True):
        assert columns[8].split(":") == list(layers[:LAYERS_MAX])
        if len(layers) > LAYERS_MAX:
            assert columns[9] == "too_many_layers"
        else:
            assert (*columns[1:7], columns[9]) == (*expected, "")
