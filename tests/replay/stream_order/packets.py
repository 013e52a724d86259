# SPDX-License-Identifier: Apache-2.0
"""A request whose segments come in reverse order; a response with one that the capture lacks."""

from traffic import Conversation, Frame, Traffic


def frames() -> list[Frame]:
    traffic = Traffic()
    web = Conversation(traffic)
    web.open()
    request = [b"GET ", b"/index", b".html\r\n"]
    start = web.sent
    for position in (2, 1, 0):
        web.sent = start + sum(map(len, request[:position]))
        web.there("A", request[position])
    web.sent = start
    web.there("A", request[0])
    web.sent = start + sum(map(len, request))
    for part in (b"one", b"lost", b"two"):
        if part == b"lost":
            web.answered += len(part)
        else:
            web.back("A", part)
    web.there("A")
    web.close()
    return traffic.frames
