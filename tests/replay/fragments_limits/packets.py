# SPDX-License-Identifier: Apache-2.0
"""A datagram of too many fragments, then more incomplete ones than there is room for."""

from scapy.layers.inet import IP, fragment
from traffic import CLIENT, SERVER, Frame, Traffic, datagram, ethernet_there


def frames() -> list[Frame]:
    traffic = Traffic()
    long = IP(src=CLIENT, dst=SERVER, id=1) / datagram(5001, 53, bytes(1000))
    for piece in fragment(long, fragsize=200):
        traffic.add(ethernet_there() / piece)
    for identifier in range(2, 42):
        half = IP(src=CLIENT, dst=SERVER, id=identifier) / datagram(5002, 53, bytes(2000))
        traffic.add(ethernet_there() / fragment(half, fragsize=1400)[0])
    whole = IP(src=CLIENT, dst=SERVER, id=50) / datagram(5003, 53, bytes(2000))
    for piece in fragment(whole, fragsize=1400):
        traffic.add(ethernet_there() / piece)
    return traffic.frames
