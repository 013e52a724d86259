# SPDX-License-Identifier: Apache-2.0
"""A segment that came early, another version of it, and then what was missing."""

from traffic import Conversation, Frame, Traffic


def frames() -> list[Frame]:
    traffic = Traffic()
    web = Conversation(traffic)
    web.open()
    start = web.sent
    for place, data in ((4, b"index"), (6, b"XXXx"), (4, b"index"), (0, b"GET ")):
        web.sent = start + place
        web.there("A", data)
    web.sent = start + 9
    web.exchange()
    web.close()
    return traffic.frames
