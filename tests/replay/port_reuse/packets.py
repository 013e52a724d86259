# SPDX-License-Identifier: Apache-2.0
"""The same four values three times: closed by FIN, closed by RST, open."""

from traffic import Conversation, Frame, Traffic


def frames() -> list[Frame]:
    traffic = Traffic()
    first = Conversation(traffic, sent=1000, answered=5000)
    first.open()
    first.exchange()
    first.close()
    second = Conversation(traffic, sent=900000, answered=700000)
    second.open()
    second.back("RA")
    third = Conversation(traffic, sent=1900000, answered=1700000)
    third.open()
    third.exchange()
    return traffic.frames
