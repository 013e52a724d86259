# SPDX-License-Identifier: Apache-2.0
"""Two sessions; one of them says the word."""

from traffic import Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    for text in (b"hello", b"attack", b"hello again"):
        traffic.there(datagram(5000, 7000, text))
        traffic.back(datagram(7000, 5000, text))
        traffic.there(datagram(5001, 7000, b"quiet"))
    return traffic.frames
