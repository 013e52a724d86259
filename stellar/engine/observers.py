# SPDX-License-Identifier: Apache-2.0
"""Answers who wants to observe: rings, for as long as the connection stands."""

import contextlib
from typing import Any

from stellar.engine import Engine, StellarError, names
from stellar.engine.server import Attachment, CallError

__all__ = ["observe"]

_PRIVATE = ("timer", "session_suspended")  # events of one plugin alone


def observe(engine: Engine, request: dict[str, Any]) -> Attachment:
    """Add the observer that a request asks for; raises CallError or StellarError."""
    events, capacity = request.get("events"), request.get("capacity")
    if not isinstance(events, list) or not all(isinstance(each, str) for each in events):
        raise CallError(f"events: expected a list of names, found {events!r}")
    if not isinstance(capacity, int) or not 0 < capacity < 1 << 32 or capacity & (capacity - 1):
        raise CallError(f"capacity: expected a power of two, found {capacity!r}")
    known = [each for each in names()["raised_event"] if each not in _PRIVATE]
    for event in events:
        if event not in known:
            raise CallError(f"events: expected some of {', '.join(known)}, found {event!r}")
    observer_id, descriptors = engine.add_observer(events, capacity)

    def end() -> None:
        # An engine that is closed has ended it already.
        with contextlib.suppress(StellarError):
            engine.remove_observer(observer_id)

    return Attachment({"events": names()["event"]}, descriptors, end)
