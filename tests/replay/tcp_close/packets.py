# SPDX-License-Identifier: Apache-2.0
"""One HTTP-like session, and a datagram later that moves the clock."""

from traffic import Conversation, Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    web = Conversation(traffic)
    web.open()
    web.exchange(b"G" * 100, b"R" * 1000)
    web.close()
    traffic.wait(10)
    traffic.there(datagram(1000, 53))
    return traffic.frames
