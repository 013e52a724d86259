# SPDX-License-Identifier: Apache-2.0
"""Datagrams and segments that ask the plugin of the scenario to inject, by their first byte."""

from scapy.layers.inet import ICMP, IP, UDP, fragment
from traffic import (
    CLIENT,
    CLIENT6,
    SERVER,
    SERVER6,
    Conversation,
    Frame,
    Traffic,
    datagram,
    ethernet_there,
    network,
)

WORKED = [b"payload", b"both ways", b"icmp", b"frame", b"many", b"held", b"released"]


def frames() -> list[Frame]:
    traffic = Traffic()
    for host in range(20, 28):
        client = f"192.0.2.{host}"
        for text in WORKED:
            traffic.there(datagram(5000, 9000, text), source=client)
        traffic.back(datagram(9000, 5000, b"payload of the server"), destination=client)
    for text in WORKED:
        traffic.there(datagram(5000, 9000, text), source=CLIENT6, destination=SERVER6)
    stream(traffic)
    whole = network(CLIENT, SERVER) / datagram(5002, 9000, b"icmp " + b"x" * 2000)
    for piece in fragment(whole, fragsize=800):
        traffic.add(ethernet_there() / piece)
    error(traffic)
    traffic.wait(200)
    traffic.there(datagram(5003, 53, b"-"))
    return traffic.frames


def stream(traffic: Traffic) -> None:
    """Bytes are put into a stream behind those of its sender, and a reset behind them."""
    for client, text in (("192.0.2.40", b"append"), ("192.0.2.41", b"drop and answer")):
        conversation = Conversation(traffic, client=client, server_port=9000)
        conversation.open()
        conversation.there("PA", text)
        conversation.back("A")


def error(traffic: Traffic) -> None:
    """An ICMP error about a datagram: no error may answer it."""
    quoted = IP(src=CLIENT, dst=SERVER, id=1) / UDP(sport=5004, dport=9000) / b"nothing"
    traffic.there(datagram(5004, 9000, b"nothing"))
    traffic.back(ICMP(type=3, code=3) / quoted)
