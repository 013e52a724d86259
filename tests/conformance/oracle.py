# SPDX-License-Identifier: Apache-2.0
"""What plugins must log, worked out from the specification alone: DESIGN 5 and plugin.h.

A model of one session. It shares nothing with the engine; keep it so small that it can be checked
by reading it beside the headers.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from scripted_plugins import Plugin

__all__ = ["Happening", "Moment", "Prediction", "predict"]

UNSEEN = {"session_opening", "session_closing", "timer"}  # a bypassed session has them all the same
LOCK_MS = 60_000
LEASE_MS = 300_000


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, and what it brings."""

    event: str
    detail: str = ""
    direction: str = ""
    """Of the bytes; else that of the packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A packet, or the end of the session: what is raised when nothing stands against it."""

    direction: str = "forward"
    events: tuple[Happening, ...] = ()
    data: tuple[Happening, ...] = ()
    """After the others; bytes of a packet that is denied by then are not told."""
    is_packet: bool = True
    at_ms: int = 0


@dataclass(slots=True)
class Prediction:
    """What must come of it."""

    log: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    """Packets, by reason."""
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """calls, errors, detached, takeovers of each plugin."""


@dataclass(slots=True)
class _Party:
    """A plugin, in this session."""

    plugin: Plugin
    rules: list[tuple[str, int, str, list[tuple[str, str]]]]
    calls: int = 0
    calls_of: Counter[str] = field(default_factory=Counter)
    is_detached: bool = False
    has_consented: bool = False


def _read_script(script: str) -> list[tuple[str, int, str, list[tuple[str, str]]]]:
    rules = []
    for line in filter(str.strip, script.split(";")):
        selectors, actions = line.split(":", 1)
        direction = next((word for word in ("forward", "reverse") if word in selectors), "")
        event, ordinal = re.fullmatch(r"(\w+)@?(\d*)", selectors.split()[0]).groups()  # type: ignore[union-attr]
        words = [word.partition("=")[::2] for word in re.split("[ ,]+", actions.strip())]
        rules.append((event, int(ordinal or 0), direction, words))
    return rules


class _Session:
    def __init__(self, plugins: Sequence[Plugin]) -> None:
        # 5.2: without before and after the order is that of names.
        ordered = sorted(plugins, key=lambda plugin: plugin.name)
        self.parties = [_Party(each, _read_script(each.script)) for each in ordered]
        self.found = Prediction(counts={each.name: Counter() for each in ordered})
        self.owner: _Party | None = None
        self.lease_ends_ms = 0
        self.holder: _Party | None = None
        self.lock_ends_ms = 0
        self.is_blocked = False
        self.is_bypassed = False
        self.moment = Moment()
        self.drop_reason = ""
        self.is_block_asked = False
        self.caused: list[Happening] = []

    def live(self, moment: Moment) -> None:
        self.moment, self.drop_reason, self.is_block_asked = moment, "", False
        if self.holder is not None and moment.at_ms >= self.lock_ends_ms:
            self.holder = None
        if moment.is_packet and (self.is_blocked or self.is_bypassed):
            self.found.dropped["blocked_session"] += self.is_blocked
            return
        self._deliver_all(list(moment.events))
        for happening in () if self.drop_reason else moment.data:
            self._deliver_all([happening])
        self.found.dropped[self.drop_reason] += self.drop_reason != ""
        self.is_blocked |= self.is_block_asked
        withheld = [
            each
            for each in self.parties
            if not (each.is_detached or each.has_consented) and set(each.plugin.events) - UNSEEN
        ]
        has_consent = any(each.has_consented for each in self.parties)
        self.is_bypassed |= has_consent and not withheld and self.holder is None

    def _deliver_all(self, queue: list[Happening]) -> None:
        """What callbacks cause comes after what is raised already."""
        while queue:
            self._deliver(queue.pop(0))
            queue += self.caused
            self.caused = []

    def _deliver(self, happening: Happening) -> None:
        if self.owner is not None and self.moment.at_ms >= self.lease_ends_ms:
            self.owner = None
        for party in self.parties:
            if happening.event not in party.plugin.events or party.is_detached:
                continue
            is_closing = happening.event == "session_closing"
            if self.owner not in (None, party) and not (is_closing and party.calls):
                continue
            if is_closing and "session_opening" in party.plugin.events and not party.calls:
                continue
            self._call(party, happening)

    def _call(self, party: _Party, happening: Happening) -> None:
        counts = self.found.counts[party.plugin.name]
        counts["calls"] += 1
        party.calls += 1
        party.calls_of[happening.event] += 1
        way = happening.direction or self.moment.direction
        line = f"{party.plugin.name}: {happening.event} {way} {party.calls}"
        line += f" {happening.detail}" if happening.detail else ""
        asked: set[str] = set()
        for event, ordinal, direction, actions in party.rules:
            if event != happening.event or ordinal not in (0, party.calls_of[event]):
                continue
            if direction not in ("", way):
                continue
            for name, argument in actions:
                answer = getattr(self, f"_{name}")(party, argument)
                line += f" {name}{':' if argument else ''}{argument}={answer}"
                asked |= {name} if answer in ("ok", "asked") else set()
        self.found.log.append(line)
        if "fail" in asked:
            counts["errors"] += 1
            if party.plugin.fail == "closed":
                self.is_blocked = True
                if self.moment.is_packet:
                    self.drop_reason = self.drop_reason or "plugin_failed"
        if asked & {"fail", "detach"}:
            counts["detached"] += 1
            party.is_detached = True
            self.owner = None if self.owner is party else self.owner
            self.holder = None if self.holder is party else self.holder

    def _fail(self, party: _Party, argument: str) -> str:
        return "asked"

    def _detach(self, party: _Party, argument: str) -> str:
        return "busy" if self.owner is party else "ok"

    def _take_over(self, party: _Party, argument: str) -> str:
        if not self.moment.is_packet:
            return "invalid"  # it is closing
        if self.holder not in (None, party):
            return "busy"
        if self.is_blocked or self.drop_reason:
            return "denied"
        self.found.counts[party.plugin.name]["takeovers"] += self.owner is not party
        self.owner = party
        self.lease_ends_ms = self.moment.at_ms + LEASE_MS
        return "ok"

    def _give_back(self, party: _Party, argument: str) -> str:
        if self.owner is not party:
            return "not_permitted"
        self.owner = None
        return "ok"

    def _lock(self, party: _Party, argument: str) -> str:
        if self.holder not in (None, party):
            return "busy"
        self.holder = party
        self.lock_ends_ms = self.moment.at_ms + LOCK_MS
        return "ok"

    def _unlock(self, party: _Party, argument: str) -> str:
        if self.holder not in (None, party):
            return "invalid"
        self.holder = None
        return "ok"

    def _bypass(self, party: _Party, argument: str) -> str:
        if self.holder is not None:
            return "busy"
        party.has_consented = True
        return "ok"

    def _pass(self, party: _Party, argument: str) -> str:
        return "ok" if self.moment.is_packet else "invalid"

    def _drop(self, party: _Party, argument: str) -> str:
        if not self.moment.is_packet:
            return "invalid"
        self.drop_reason = self.drop_reason or "plugin"
        return "ok"

    def _reject(self, party: _Party, argument: str) -> str:
        answer = self._drop(party, argument)
        self.is_block_asked |= answer == "ok"
        return answer

    def _set(self, party: _Party, argument: str) -> str:
        if self.moment.is_packet:  # the closing event is the last one
            self.caused.append(Happening("metadata_changed", argument.split("/")[0]))
        return "ok"


def predict(plugins: Sequence[Plugin], moments: Sequence[Moment], reason: str) -> Prediction:
    """Of a session that ends for this reason, or because it is blocked."""
    session = _Session(plugins)
    for moment in moments:
        session.live(moment)
    end_ms = moments[-1].at_ms
    reason = "policy" if session.is_blocked and reason != "shutdown" else reason
    closing = Happening("session_closing", reason)
    session.live(Moment(events=(closing,), is_packet=False, at_ms=end_ms))
    session.found.dropped += Counter()
    return session.found
