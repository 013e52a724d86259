# SPDX-License-Identifier: Apache-2.0
"""Sessions that carry the word of the example plugin, cut in several ways, and some that do not."""

from traffic import Conversation, Frame, Traffic

WORD = b"stellar-forbidden"
DEPTH_BYTES = 65536


def frames() -> list[Frame]:
    traffic = Traffic()
    scattered(Conversation(traffic, client_port=40001))
    answered(Conversation(traffic, client_port=40002))
    half(Conversation(traffic, client_port=40003))
    behind_a_gap(Conversation(traffic, client_port=40004))
    too_deep(Conversation(traffic, client_port=40005))
    return traffic.frames


def scattered(web: Conversation) -> None:
    """In three segments, the middle one last."""
    web.open()
    start = web.sent
    for first, last in ((0, 5), (11, 17), (5, 11)):
        web.sent = start + 10 * (first > 0) + first
        web.there("A", (b"0123456789" if first == 0 else b"") + WORD[first:last])
    web.sent = start + 27
    web.exchange()


def answered(web: Conversation) -> None:
    """In a response, within one segment."""
    web.open()
    web.exchange(b"question", b"the answer is " + WORD + b".")
    web.exchange()


def half(web: Conversation) -> None:
    """Its first half in one direction, the other half in the other."""
    web.open()
    web.exchange(WORD[:8], WORD[8:])
    web.close()


def behind_a_gap(web: Conversation) -> None:
    """Cut by bytes that the capture lacks, then whole."""
    web.open()
    web.there("A", WORD[:8])
    web.sent += 4
    web.there("A", WORD[8:])
    web.back("A")
    web.there("A", WORD)
    web.exchange()


def too_deep(web: Conversation) -> None:
    """Behind what the plugin reads of a direction."""
    web.open()
    for _ in range(DEPTH_BYTES // 1024):
        web.there("A", b"." * 1024)
        web.back("A")
    web.exchange(WORD)
    web.close()
