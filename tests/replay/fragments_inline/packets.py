# SPDX-License-Identifier: Apache-2.0
"""A datagram in three fragments and one whole, over IPv4 and IPv6."""

from scapy.layers.inet import fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from traffic import (
    CLIENT,
    CLIENT6,
    SERVER,
    SERVER6,
    Frame,
    Traffic,
    datagram,
    ethernet_there,
    network,
)


def frames() -> list[Frame]:
    traffic = Traffic()
    whole = network(CLIENT, SERVER) / datagram(5000, 53, b"x" * 1200)
    for piece in fragment(whole, fragsize=512):
        traffic.add(ethernet_there() / piece)
    six = (
        IPv6(src=CLIENT6, dst=SERVER6) / IPv6ExtHdrFragment(id=7) / datagram(5000, 53, b"x" * 1800)
    )
    for piece in fragment6(six, 1000):
        traffic.add(ethernet_there() / piece)
    traffic.there(datagram(5001, 53))
    return traffic.frames
