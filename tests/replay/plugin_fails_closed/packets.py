# SPDX-License-Identifier: Apache-2.0
"""One session whose third datagram makes the plugin fail, and one that does not."""

from traffic import Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    for text in (b"hello", b"hello", b"boom", b"hello"):
        traffic.there(datagram(5000, 7000, text))
        traffic.there(datagram(5001, 7000, b"hello"))
    return traffic.frames
