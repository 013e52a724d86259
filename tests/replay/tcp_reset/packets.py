# SPDX-License-Identifier: Apache-2.0
"""Three sessions, each reset at another moment, and a datagram later that moves the clock."""

from traffic import Conversation, Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    refused = Conversation(traffic, client_port=40001, server_port=81)
    refused.there("S")
    refused.back("RA")
    reset_by_server = Conversation(traffic, client_port=40002)
    reset_by_server.open()
    reset_by_server.back("RA")
    reset_by_client = Conversation(traffic, client_port=40003)
    reset_by_client.open()
    reset_by_client.exchange()
    reset_by_client.there("R")
    traffic.wait(10)
    traffic.there(datagram(1000, 53))
    return traffic.frames
