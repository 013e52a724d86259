# SPDX-License-Identifier: Apache-2.0
"""Cases where the specification is a table: what a plugin does, in which event, at which place.

Their traffic is written here with the events that it raises; what the plugins log is predicted
(oracle.py).
"""

import itertools
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

# Packets before and after the 60 s of a lock and the 300 s of a lease.
SLOW = Traffic(
    steps=("open: udp client > server:53, as: {s}", "client: 1", "server: 2", "wait_ms: 59900",
           "client: 3", "wait_ms: 200", "client: 4", "wait_ms: 140000", "client: 5",
           "wait_ms: 99800", "client: 6", "wait_ms: 200", "client: 7"),
    moments=(
        _packet("forward", "session_opening"),
        _packet("reverse", "session_active"),
        *(
            replace(_packet("forward"), at_ms=at_ms)
            for at_ms in (59_900, 60_100, 200_100, 299_900, 300_100)
        ),
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


def _scripted(name: str, traffic: Traffic, *scripts: str, **values: str) -> Subject:
    """Plugins a, b, ... with these scripts, that need what UDP sessions in one moment bring."""
    plugins = tuple(
        Plugin(name=each, events=BASIC, script=script, **values)  # type: ignore[arg-type]
        for each, script in zip("abc", scripts, strict=False)
    )
    return Subject(name=name, traffic=traffic, plugins=plugins)


def _at_each_position(name: str, traffic: Traffic, script: str, **values: str) -> Iterator[Subject]:
    for position, each in enumerate(NAMES):
        scripts = ["", "", ""]
        scripts[position] = script
        yield _scripted(f"{name}_by_{each}", traffic, *scripts, **values)


def _ends_of_leases() -> Iterator[Subject]:
    taken = "session_packet@1: take_over"
    yield from _at_each_position("give_back", UDP, f"{taken}; session_packet@3: give_back")
    yield from _at_each_position("give_back_at_once", UDP, f"{taken} give_back give_back")
    yield from _at_each_position("take_over_again", UDP, f"{taken} take_over")
    yield from _at_each_position(
        "owner_fails", UDP, f"{taken}; session_packet@3: fail", fail="open"
    )
    yield from _at_each_position("owner_fails_closed", UDP, f"{taken}; session_packet@3: fail")
    yield from _at_each_position("lease_ends", SLOW, f"{taken}; session_packet@5: detach")
    yield from _at_each_position(
        "lease_is_renewed",
        SLOW,
        f"{taken}; session_packet@3: take_over; session_closing: give_back",
    )


def _locks() -> Iterator[Subject]:
    wish = "session_packet: take_over lock unlock bypass"
    for holder, other in itertools.permutations(range(3), 2):
        scripts = ["", "", ""]
        scripts[holder], scripts[other] = "session_packet@1: lock", "session_packet@2: take_over"
        yield _scripted(f"lock_of_{NAMES[holder]}_against_{NAMES[other]}", UDP, *scripts)
        scripts[holder], scripts[other] = "session_packet@1: lock; session_packet@3: detach", wish
        yield _scripted(f"lock_ends_with_{NAMES[holder]}_for_{NAMES[other]}", UDP, *scripts)
        scripts[holder], scripts[other] = "session_packet@1: lock", wish
        yield _scripted(f"lock_expires_of_{NAMES[holder]}_for_{NAMES[other]}", SLOW, *scripts)
    yield from _at_each_position(
        "lock_of_the_owner", UDP, "session_packet@1: lock take_over bypass"
    )
    yield from _at_each_position(
        "lock_ends_with_failure", UDP, "session_packet@1: lock; session_packet@2: fail", fail="open"
    )


def _consents() -> Iterator[Subject]:
    for count in (1, 2, 3):
        for those in itertools.combinations(NAMES, count):
            scripts = ["session_packet@1: bypass" if each in those else "" for each in NAMES]
            yield _scripted(f"bypass_of_{''.join(those)}", UDP, *scripts)
    consent = "session_packet@1: bypass"
    yield from (
        _scripted(f"bypass_when_{NAMES[position]}_leaves", UDP, *scripts)
        for position in range(3)
        for scripts in [
            [consent if i != position else "session_packet@2: detach" for i in range(3)]
        ]
    )
    locked = "session_packet@1: bypass lock; session_packet@3: unlock"
    yield _scripted("bypass_waits_for_lock", UDP, consent, consent, locked)
    yield _scripted("bypass_one_by_one", UDP, consent, "session_packet@2: bypass",
                    "session_packet@3: bypass")  # fmt: skip
    yield _scripted("bypass_of_owner", UDP, "", "session_packet@1: take_over bypass", "")


VERDICTS = ("", "pass", "drop", "reject")


def _verdicts() -> Iterator[Subject]:
    for first, second in itertools.product(VERDICTS, VERDICTS):
        scripts = [f"session_packet@2: {each}" if each else "" for each in (first, second)]
        name = f"verdict_{first or 'none'}_then_{second or 'none'}"
        yield _scripted(name, UDP, *scripts, "session_packet: take_over give_back")
    yield _scripted("verdict_without_packet", UDP, "session_closing: drop reject", "", "")
    yield _scripted("take_over_after_failure", UDP, "session_packet@1: fail",
                    "session_packet: take_over; session_closing: take_over", "")  # fmt: skip


def _all() -> Iterator[Subject]:
    yield from _each_place("detach", _doing("detach"))
    yield from _each_place("take_over", _doing("take_over detach"))
    yield from _each_place("fail_closed", _doing("fail"))
    yield from _each_place("fail_open", _doing("fail", fail="open"))
    yield from _ends_of_leases()
    yield from _locks()
    yield from _consents()
    yield from _verdicts()


FAMILIES = tuple(_all())
