# SPDX-License-Identifier: Apache-2.0
"""Two datagrams of which 64 bytes were kept."""

from traffic import CLIENT, SERVER, Frame, Traffic, datagram, ethernet_there, network


def frames() -> list[Frame]:
    traffic = Traffic()
    for _ in range(2):
        packet = ethernet_there() / network(CLIENT, SERVER) / datagram(5000, 53, b"x" * 500)
        traffic.raw(bytes(packet), captured=64)
    return traffic.frames
