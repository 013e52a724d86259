# SPDX-License-Identifier: Apache-2.0
"""Clients that say the word, the wrong one, none, or too late."""

from scapy.layers.inet import fragment
from traffic import Frame, Traffic, datagram, ethernet_there, network

PORT = 9000


def frames() -> list[Frame]:
    traffic = Traffic()
    opened(traffic, "192.0.2.11")
    shut(traffic, "192.0.2.12")
    silent(traffic, "192.0.2.13")
    in_fragments(traffic, "192.0.2.14")
    for host in range(20, 40):
        traffic.there(datagram(5000, PORT, b"first"), source=f"192.0.2.{host}")
    for host in range(20, 30):
        traffic.there(datagram(5000, PORT, b"open"), source=f"192.0.2.{host}")
    traffic.wait(1)
    late(traffic, "192.0.2.15")
    return traffic.frames


def opened(traffic: Traffic, client: str) -> None:
    """Two datagrams wait; the answer does not."""
    for text in (b"first", b"second"):
        traffic.there(datagram(5000, PORT, text), source=client)
    traffic.back(datagram(PORT, 5000, b"hello"), destination=client)
    for text in (b"open", b"third"):
        traffic.there(datagram(5000, PORT, text), source=client)


def shut(traffic: Traffic, client: str) -> None:
    """What was held is dropped, and the rest is."""
    for text in (b"first", b"second", b"shut", b"third"):
        traffic.there(datagram(5000, PORT, text), source=client)


def silent(traffic: Traffic, client: str) -> None:
    """The time of the first is over before the word comes, that of the second is not."""
    traffic.there(datagram(5000, PORT, b"first"), source=client)
    traffic.wait(0.15)
    traffic.there(datagram(5000, PORT, b"second"), source=client)
    traffic.wait(0.1)
    traffic.there(datagram(5000, PORT, b"open"), source=client)


def in_fragments(traffic: Traffic, client: str) -> None:
    """All frames of a datagram wait together."""
    whole = network(client, "198.51.100.20") / datagram(5000, PORT, b"x" * 2000)
    for piece in fragment(whole, fragsize=800):
        traffic.add(ethernet_there() / piece)
    for text in (b"second", b"open"):
        traffic.there(datagram(5000, PORT, text), source=client)


def late(traffic: Traffic, client: str) -> None:
    """Held when the capture ends."""
    traffic.there(datagram(5000, PORT, b"last"), source=client)
