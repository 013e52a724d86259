# SPDX-License-Identifier: Apache-2.0
"""Sessions that start, move, repeat and stop timers, and hold what their timers let go."""

from traffic import Frame, Traffic, datagram


def frames() -> list[Frame]:
    traffic = Traffic()
    say(traffic, 1, "start 50")
    say(traffic, 2, "start 50")
    say(traffic, 2, "start 90")  # moved: one timer a session
    say(traffic, 3, "start 50")
    say(traffic, 3, "stop")
    say(traffic, 4, "again 20 5")
    # 60 ms later: before the time of the hold, in its millisecond, and after it.
    say(traffic, 5, "hold 100 release 60")
    say(traffic, 5, "behind it")
    say(traffic, 6, "hold 60 release 60")
    say(traffic, 7, "hold 59 release 60")
    traffic.wait(0.04)
    for host in range(1, 4):
        say(traffic, host, "between")
    traffic.wait(0.2)
    # A burst of sessions with timers that are due among the packets of the burst itself.
    for host in range(20, 60):
        say(traffic, host, f"again {1 + host % 7} 3")
    for host in range(20, 60):
        say(traffic, host, "hold 30 release 15")
    # One that ends before its time, and a long silence: timers go on in it, each at its own time.
    say(traffic, 8, "start 600000")
    say(traffic, 9, "again 4000 6")
    traffic.wait(100)
    say(traffic, 1, "start 1000")  # the capture ends first
    return traffic.frames


def say(traffic: Traffic, host: int, text: str) -> None:
    """A datagram of a session of its own."""
    traffic.there(datagram(5000, 9000, text.encode()), source=f"192.0.2.{host}")
