# SPDX-License-Identifier: Apache-2.0
"""Cases where the specification is a table: what a plugin does, in which event, at which place.

Their traffic is written here with the events that it raises; what the plugins log is predicted
(oracle.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from oracle import Happening, Moment, Prediction, predict
from scripted_plugins import Plugin

__all__ = ["FAMILIES", "Subject", "Traffic"]

NAMES = ("a", "b", "c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Lines of the scenario language, of the session {s}; what they raise, packet by packet."""

    steps: tuple[str, ...]
    moments: tuple[Moment, ...]
    after: tuple[str, ...] = ()
    """Lines of no session."""
    reason: str = "shutdown"
    """Why it closes, unless it is blocked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One case: plugins, and traffic."""

    name: str
    traffic: Traffic
    plugins: tuple[Plugin, ...]

    @property
    def prediction(self) -> Prediction:
        """What must come of it."""
        return predict(self.plugins, self.traffic.moments, self.traffic.reason)


def _packet(direction: str, *events: str, data: Sequence[tuple[str, ...]] = ()) -> Moment:
    names = (*events, "session_packet")
    happenings = tuple(Happening(name) for name in names)
    if "session_active" in events:
        happenings = (Happening("session_active"), Happening("session_packet"))
    told = tuple(Happening(*each) for each in data)
    return Moment(direction=direction, events=happenings, data=told)


HANDSHAKE = (
    _packet("forward", "session_opening"),
    _packet("reverse"),
    _packet("forward", "session_active"),
)
RESET = {"after": ("wait_ms: 15000", "pulse"), "reason": "rst"}

TCP = Traffic(
    steps=("open: tcp client > server:80, as: {s}", "client: hello", "server: hi", "reset: client"),
    moments=(
        *HANDSHAKE,
        _packet("forward", data=[("tcp_data", '"hello"')]),
        _packet("reverse", data=[("tcp_data", '"hi"')]),
        _packet("forward"),
    ),
    **RESET,
)
# The second segment never comes; the receiver acknowledges it all the same.
GAP = Traffic(
    steps=(
        "open: tcp client > server:80, as: {s}",
        "client: one, offset: 0",
        "client: three, offset: 6",
        "acknowledge: server, ack: 1012",
        "reset: client",
    ),
    moments=(
        *HANDSHAKE,
        _packet("forward", data=[("tcp_data", '"one"')]),
        _packet("forward"),
        _packet("reverse", data=[("tcp_gap", "3", "forward"), ("tcp_data", '"three"', "forward")]),
        _packet("forward"),
    ),
    **RESET,
)
UDP = Traffic(
    steps=("open: udp client > server:53, as: {s}", "client: one", "server: two", "client: three",
           "server: four"),
    moments=(
        Moment(events=(Happening("session_opening"), Happening("session_packet"),
                       Happening("udp_data", '"one"'))),
        Moment(direction="reverse",
               events=(Happening("session_active"), Happening("session_packet"),
                       Happening("udp_data", '"two"'))),
        Moment(events=(Happening("session_packet"), Happening("udp_data", '"three"'))),
        Moment(direction="reverse",
               events=(Happening("session_packet"), Happening("udp_data", '"four"'))),
    ),
)  # fmt: skip

BASIC = ("session_opening", "session_packet", "session_closing")
OF_TCP = (*BASIC, "session_active", "tcp_data")


@dataclass(frozen=True, slots=True)
class _Place:
    """A call to do something in."""

    name: str
    traffic: Traffic
    events: tuple[str, ...]
    selector: str


PLACES = (
    _Place("opening", TCP, OF_TCP, "session_opening"),
    _Place("packet", TCP, OF_TCP, "session_packet@4"),
    _Place("active", TCP, OF_TCP, "session_active"),
    _Place("tcp_data", TCP, OF_TCP, "tcp_data@1"),
    _Place("tcp_gap", GAP, (*OF_TCP, "tcp_gap"), "tcp_gap"),
    _Place("closing", TCP, OF_TCP, "session_closing"),
    # Those that need one event a packet go through the plugins many at once.
    _Place("udp_opening", UDP, BASIC, "session_opening"),
    _Place("udp_active", UDP, (*BASIC, "session_active"), "session_active"),
    _Place("udp_first", UDP, ("session_packet", "session_closing"), "session_packet@1"),
    _Place("udp_packet", UDP, BASIC, "session_packet@2"),
    _Place("udp_data", UDP, ("session_opening", "udp_data", "session_closing"), "udp_data@2"),
    _Place("udp_closing", UDP, BASIC, "session_closing"),
)


def _each_place(family: str, make: Callable[[_Place, Plugin], Plugin]) -> Iterator[Subject]:
    for place in PLACES:
        for position, name in enumerate(NAMES):
            plugins = [Plugin(name=each, events=place.events) for each in NAMES]
            plugins[position] = make(place, plugins[position])
            yield Subject(
                name=f"{family}_in_{place.name}_by_{name}",
                traffic=place.traffic,
                plugins=tuple(plugins),
            )


def _doing(actions: str, **values: str) -> Callable[[_Place, Plugin], Plugin]:
    return lambda place, plugin: replace(
        plugin,
        script=f"{place.selector}: {actions}",
        **values,  # type: ignore[arg-type]
    )


def _all() -> Iterator[Subject]:
    yield from _each_place("detach", _doing("detach"))
    yield from _each_place("take_over", _doing("take_over detach"))
    yield from _each_place("fail_closed", _doing("fail"))
    yield from _each_place("fail_open", _doing("fail", fail="open"))


FAMILIES = tuple(_all())
