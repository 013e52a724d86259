# SPDX-License-Identifier: Apache-2.0
"""Requests to port 69, and answers from other ports."""

from traffic import CLIENT6, SERVER6, Frame, Traffic, datagram

READ, WRITE, DATA, ACKNOWLEDGMENT = b"\0\1", b"\0\2", b"\0\3\0\1", b"\0\4\0\1"
STRANGER = "198.51.100.77"


def frames() -> list[Frame]:
    traffic = Traffic()
    traffic.there(datagram(2000, 69, READ + b"boot.bin\0octet\0"))
    for _ in range(4):  # longer than the request's session may be silent
        traffic.back(datagram(3000, 2000, DATA + bytes(100)))
        traffic.wait(12)
        traffic.there(datagram(2000, 3000, ACKNOWLEDGMENT))
    traffic.there(
        datagram(2001, 69, WRITE + b"log.txt\0octet\0"), source=CLIENT6, destination=SERVER6
    )
    traffic.back(datagram(3001, 2001, ACKNOWLEDGMENT), source=SERVER6, destination=CLIENT6)
    traffic.there(datagram(2002, 69, READ + b"nobody.answers\0octet\0"))
    traffic.back(datagram(3002, 2002, DATA), source=STRANGER)
    traffic.wait(6)
    traffic.back(datagram(3002, 2002, DATA))
    traffic.there(datagram(2003, 69, READ + b"no end"))
    traffic.back(datagram(3003, 2003, DATA))
    return traffic.frames
