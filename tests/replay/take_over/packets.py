# SPDX-License-Identifier: Apache-2.0
"""Three sessions of six datagrams, in turns."""

from traffic import Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    for _ in range(6):
        for port in (53, 8080, 8081):
            traffic.there(datagram(5000, port))
    return traffic.frames
