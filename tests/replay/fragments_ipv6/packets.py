# SPDX-License-Identifier: Apache-2.0
"""IPv6: extension headers before the fragment header and behind it, and an atomic fragment."""

from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
    fragment6,
)
from traffic import CLIENT6, SERVER6, Frame, Traffic, datagram, ethernet_there

OPTIONS = [PadN(optdata=b"\0" * 4)]


def frames() -> list[Frame]:
    traffic = Traffic()
    header = IPv6(src=CLIENT6, dst=SERVER6)
    hop_by_hop = IPv6ExtHdrHopByHop(options=OPTIONS)
    destination = IPv6ExtHdrDestOpt(options=OPTIONS)
    body = datagram(5001, 53, b"x" * 1000)
    long = header / hop_by_hop / IPv6ExtHdrFragment(id=1) / destination / body
    for piece in reversed(fragment6(long, 600)):
        traffic.add(ethernet_there() / piece)
    # RFC 6946: alone, and so no fragment.
    atomic = header / IPv6ExtHdrFragment(id=2) / datagram(5002, 53)
    traffic.add(ethernet_there() / atomic)
    return traffic.frames
