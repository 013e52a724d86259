# SPDX-License-Identifier: Apache-2.0
"""Clients that speak, that are silent, that speak too late, and that only listen."""

from traffic import Conversation, Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    clients = [Conversation(traffic, client=f"192.0.2.{host}") for host in range(10, 34)]
    talker, late, listener, closer, *crowd = clients
    for client in (talker, late, listener, closer):
        client.open()
    talker.exchange()
    half = Conversation(traffic, client="192.0.2.50")
    half.there("S")
    half.back("SA")
    traffic.there(datagram(5000, 53))
    for client in crowd:
        client.open()
    for client in crowd[::2]:
        client.exchange()
    traffic.wait(0.1)
    listener.back("PA", b"220 welcome")
    # Past the timers of those that are watched; the crowd's fire in the same step.
    traffic.wait(0.3)
    talker.exchange()
    late.there("PA", b"request")
    listener.there("A")
    closer.close()
    half.there("A")
    # Exactly in the millisecond in which its time is over: timers come before packets.
    traffic.wait(0.299)
    half.there("PA", b"request")
    traffic.there(datagram(5000, 53))
    traffic.wait(1)
    for client in crowd:
        client.there("PA", b"request")
    return traffic.frames
