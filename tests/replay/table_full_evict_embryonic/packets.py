# SPDX-License-Identifier: Apache-2.0
"""64 sessions fill the table (half of them answered), 16 more follow."""

from traffic import Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    for port in range(64):
        traffic.there(datagram(1000 + port, 53))
    for port in range(32):
        traffic.back(datagram(53, 1000 + port))
    for port in range(16):
        traffic.there(datagram(2000 + port, 53))
    return traffic.frames
