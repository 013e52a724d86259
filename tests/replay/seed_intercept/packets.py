# SPDX-License-Identifier: Apache-2.0
"""Two datagrams to each port the two plugins know."""

from traffic import Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    for port in (53, 8080, 9999, 5001) * 2:
        traffic.there(datagram(5000, port))
    return traffic.frames
