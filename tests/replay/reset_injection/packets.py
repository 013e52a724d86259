# SPDX-License-Identifier: Apache-2.0
"""Sessions that the plugin resets, by their port and by their first word, and others."""

from scapy.layers.inet import TCP
from scapy.layers.l2 import Dot1Q
from traffic import (
    CLIENT6,
    SERVER6,
    Conversation,
    Frame,
    Traffic,
    datagram,
    ethernet_back,
    ethernet_there,
    network,
)

TELNET = 23
WORD = b"STOP it"


def frames() -> list[Frame]:
    traffic = Traffic()
    conversation = Conversation(traffic)
    conversation.open()
    conversation.exchange()
    conversation.close()
    by_port(traffic, "192.0.2.11", "198.51.100.20")
    by_port(traffic, CLIENT6, SERVER6)
    by_word(traffic, "192.0.2.12", "198.51.100.20")
    by_word(traffic, CLIENT6, "2001:db8:2::21")
    crowd = [
        Conversation(traffic, client=f"192.0.2.{host}", client_port=41000) for host in range(20, 40)
    ]
    for each in crowd:
        each.open()
    for each in crowd:
        each.there("PA", WORD)
    for each in crowd:
        each.back("A")
    tagged(traffic)
    traffic.there(datagram(5000, TELNET, WORD))
    return traffic.frames


def by_port(traffic: Traffic, client: str, server: str) -> None:
    """A SYN is answered; its twin is dropped."""
    conversation = Conversation(traffic, client=client, server=server, server_port=TELNET)
    conversation.there("S")
    conversation.sent -= 1
    conversation.there("S")


def by_word(traffic: Traffic, client: str, server: str) -> None:
    """Both sides hear of it; what they send afterwards is dropped."""
    conversation = Conversation(traffic, client=client, server=server, client_port=42000)
    conversation.open()
    conversation.exchange()
    conversation.back("PA", b"STOP said the server")
    conversation.there("A")
    conversation.there("PA", WORD)
    conversation.sent -= len(WORD)
    conversation.there("PA", WORD)
    conversation.back("FA")


def tagged(traffic: Traffic) -> None:
    """Tags of the packet in hand are those of the resets."""
    tags = Dot1Q(vlan=100) / Dot1Q(vlan=7)
    there, back = ethernet_there() / tags, ethernet_back() / tags
    client, server = "192.0.2.50", "198.51.100.20"
    port = {"sport": 43000, "dport": 80}
    answer = {"sport": 80, "dport": 43000}
    traffic.add(there / network(client, server) / TCP(flags="S", seq=7, **port))
    traffic.add(back / network(server, client) / TCP(flags="SA", seq=70, ack=8, **answer))
    traffic.add(there / network(client, server) / TCP(flags="A", seq=8, ack=71, **port))
    traffic.add(there / network(client, server) / TCP(flags="PA", seq=8, ack=71, **port) / WORD)
