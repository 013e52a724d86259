# SPDX-License-Identifier: Apache-2.0
"""The policies that were in force: one file a generation, so that old verdicts can be explained.

A session keeps the verdict of the policy that judged it; its rule is looked up here. Written by
`apply.py`; the newest is what a restarted engine is given when it lost its own.
"""

import contextlib
import dataclasses
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from stellar.policy.errors import PolicyError
from stellar.policy.load import Source, load_document
from stellar.telemetry.log import quote

__all__ = ["PolicyHistory", "PolicyState", "write_whole"]

_logger = logging.getLogger(__name__)
_KEPT_COUNT = 16


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A policy that was put in force here."""

    generation: int
    name: str
    applied_at: str
    text: str


class PolicyHistory:
    """The last generations, in a folder of their own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rules: dict[int, tuple[str, ...]] = {}

    def add(self, state: PolicyState) -> None:
        """Keep a policy, and forget the oldest; OSError when it can't be written."""
        self._directory.mkdir(mode=0o750, exist_ok=True)
        record = json.dumps(dataclasses.asdict(state)).encode()
        write_whole(self._path(state.generation), record + b"\n")
        for generation in self._generations()[:-_KEPT_COUNT]:
            self._path(generation).unlink(missing_ok=True)
            self._rules.pop(generation, None)

    def get(self, generation: int) -> PolicyState | None:
        """The policy of a generation; None when it is not kept, or damaged."""
        path = self._path(generation)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            state = PolicyState(
                generation, str(record["name"]), str(record["applied_at"]), str(record["text"])
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _logger.error("event=policy_unreadable path=%s reason=%s", path, quote(error))
            return None
        return state

    def latest(self) -> PolicyState | None:
        """The newest policy that can be read."""
        states = (self.get(generation) for generation in reversed(self._generations()))
        return next((state for state in states if state is not None), None)

    def latest_generation(self) -> int:
        """The highest generation ever kept, readable or not; 0 when none."""
        return max(self._generations(), default=0)

    def rules(self, generation: int) -> tuple[str, ...]:
        """Names of a generation's rules, in the order of their ids; empty when not known."""
        if generation not in self._rules:
            state = self.get(generation)
            if state is None:
                return ()
            self._rules[generation] = _rule_names(state)
        return self._rules[generation]

    def _path(self, generation: int) -> Path:
        return self._directory / f"{generation}.json"

    def _generations(self) -> list[int]:
        names = [path.stem for path in self._directory.glob("*.json")]
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _rule_names(state: PolicyState) -> tuple[str, ...]:
    with contextlib.suppress(PolicyError):
        document = load_document(Source(state.text, state.name)).value
        rules = document.get("rules") if isinstance(document, dict) else None
        if isinstance(rules, list):
            return tuple(str(rule["name"]) for rule in rules)
    return ()


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file: a crash leaves the old one or the new one, never a part."""
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as stream:
        os.fchmod(stream.fileno(), 0o640)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
