# SPDX-License-Identifier: Apache-2.0
"""Two questions and one answer."""

from traffic import Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    traffic.there(datagram(5001, 53, b"question"))
    traffic.there(datagram(5002, 53, b"question"))
    traffic.back(datagram(53, 5001, b"a longer answer"))
    traffic.there(datagram(5001, 53, b""))
    return traffic.frames
