# SPDX-License-Identifier: Apache-2.0
"""Finds sessions in the engine's tables, page by page, and says in words how each was judged."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stellar.control.engine_client import EngineClient

__all__ = [
    "PROTOCOL_NAMES",
    "SessionFilter",
    "SessionFilterError",
    "explain",
    "find",
    "page",
    "parse_number",
]

PROTOCOL_NAMES = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6", 132: "sctp"}
_STATES = ("opening", "active", "closing")
_PAGE_SIZE = 512

Record = dict[str, Any]


class SessionFilterError(Exception):
    """The caller asks for something no session can be; one line."""


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions are wanted; None: any."""

    protocol: int | None = None
    address: str | None = None
    port: int | None = None
    state: str | None = None
    generation: int | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "SessionFilter":
        """The filter that query parameters ask for."""
        address = query.get("address")
        if address is not None:
            try:
                address = str(ipaddress.ip_address(address))
            except ValueError:
                raise SessionFilterError(
                    f"address: expected an IP address, found {address!r}"
                ) from None
        state = query.get("state")
        if state is not None and state not in _STATES:
            expected = ", ".join(_STATES)
            raise SessionFilterError(f"state: expected one of {expected}, found {state!r}")
        return cls(
            protocol=_protocol(query.get("protocol")),
            address=address,
            port=parse_number(query, "port", 65535),
            state=state,
            generation=parse_number(query, "generation", 2**32 - 1),
        )

    def matches(self, record: Record) -> bool:
        """Whether a session is wanted."""
        ends = (record["originator"], record["responder"])
        return (
            self.protocol in (None, record["protocol"])
            and self.state in (None, record["state"])
            and self.generation in (None, record["generation"])
            and (self.address is None or any(self.address == end["address"] for end in ends))
            and (self.port is None or any(self.port == end["port"] for end in ends))
        )


def parse_number(query: Mapping[str, str], name: str, maximum: int) -> int | None:
    """A whole number of the query, or None when it is not there."""
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > maximum:
        raise SessionFilterError(f"{name}: expected a number up to {maximum}, found {text!r}")
    return int(text)


def _protocol(text: str | None) -> int | None:
    if text is None:
        return None
    for number, name in PROTOCOL_NAMES.items():
        if text == name:
            return number
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255:
        return int(text)
    known = ", ".join(PROTOCOL_NAMES.values())
    raise SessionFilterError(f"protocol: expected {known} or a number, found {text!r}")


async def page(
    engine: EngineClient, wanted: SessionFilter, limit: int, cursor: str | None
) -> tuple[list[Record], str | None]:
    """Up to limit wanted sessions from cursor on, and the cursor of what follows, None: the end.

    A cursor is the engine's own one and how many sessions after it are done with.
    """
    position, done = _parse_cursor(cursor)
    found: list[Record] = []
    while True:
        answer = await _ask(engine, position)
        records, following = answer["sessions"], answer.get("cursor")
        for count, record in enumerate(records[done:], start=done + 1):
            if wanted.matches(record):
                found.append(record)
            if len(found) == limit and (count < len(records) or following is not None):
                return found, f"{'' if position is None else position}~{count}"
        if following is None:
            return found, None
        position, done = str(following), 0


async def find(engine: EngineClient, session_id: int) -> Record | None:
    """The session of an id, or None when it is not in the table any more."""
    position: str | None = None
    while True:
        answer = await _ask(engine, position)
        for record in answer["sessions"]:
            if record["id"] == session_id:
                return dict(record)
        if answer.get("cursor") is None:
            return None
        position = str(answer["cursor"])


def explain(record: Record, generation: int) -> str:
    """One sentence: who decided about a session; `generation` is the one in force now."""
    decided = "denied" if record.get("blocked") else "allowed"
    judged_by, rule_id = record["generation"], record["rule_id"]
    if judged_by == 0:
        return f"{decided}: no policy was in force when it was judged"
    policy = f"policy generation {judged_by}"
    if judged_by != generation:
        policy += f" (generation {generation} is in force now)"
    if rule_id == 0:
        return f"{decided} by no rule of {policy}: its default or the engine decided"
    name = record.get("rule")
    return f"{decided} by rule {rule_id}{f' ({name})' if name else ''} of {policy}"


async def _ask(engine: EngineClient, position: str | None) -> dict[str, Any]:
    if position is None:
        return await engine.call("sessions", limit=_PAGE_SIZE)
    return await engine.call("sessions", limit=_PAGE_SIZE, cursor=position)


def _parse_cursor(cursor: str | None) -> tuple[str | None, int]:
    if cursor is None:
        return None, 0
    position, separator, done = cursor.rpartition("~")
    if not separator or not done.isascii() or not done.isdigit() or len(done) > 9:
        raise SessionFilterError(f"cursor: expected one from an earlier page, found {cursor!r}")
    return position or None, int(done)
