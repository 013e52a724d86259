# SPDX-License-Identifier: Apache-2.0
"""Puts a policy in force, whole or not at all, and keeps its text for the next start.

Order: compile (a bad policy ends here), give the image to the engine (which keeps its own running
policy unless it takes the new one), then write the text to the state directory. It decides nothing
about a policy's content. Used by the API and by the daemon at start.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from stellar.control.engine_client import EngineClient, EngineUnavailable
from stellar.control.history import PolicyHistory, PolicyState, write_whole
from stellar.engine.config import ApplianceConfig
from stellar.personality import check_policy, compile_policy
from stellar.policy.errors import PolicyError
from stellar.policy.load import Source
from stellar.telemetry.log import quote

__all__ = ["Compile", "NotKept", "PolicyKeeper", "compile_text"]

_logger = logging.getLogger(__name__)
_APPLY_LIMIT_SEC = 60.0


class Compile(Protocol):
    """Turns a rendered policy into the engine's image; raises PolicyError."""

    def __call__(
        self, text: str, *, file: str, interfaces: tuple[str, ...], generation: int
    ) -> bytes: ...


def compile_text(text: str, *, file: str, interfaces: tuple[str, ...], generation: int) -> bytes:
    """The compiler of this product: strict load, validation, the personality's image."""
    checked = check_policy(Source(text, file), interfaces=interfaces)
    return compile_policy(checked.policy, generation=generation, file=file)


class NotKept(Exception):
    """The policy is in force, and its text could not be written down; one line."""


class PolicyKeeper:
    """The one writer of policies; applies are done one after the other."""

    def __init__(
        self,
        config: ApplianceConfig,
        engine: EngineClient,
        *,
        compiler: Compile = compile_text,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._engine = engine
        self._compile = compiler
        self._now = now
        self._applying = asyncio.Lock()
        self._rejection: tuple[str, PolicyError] | None = None
        self.history = PolicyHistory(config.state_directory / "policies")

    async def generation(self) -> int:
        """The generation that the engine has in force; 0 when none."""
        return int((await self._engine.call("ping"))["generation"])

    async def restore(self) -> PolicyState | None:
        """Give an engine without a policy the last one, or at first the configuration's."""
        if await self.generation() != 0:
            return None
        latest = self.history.latest()
        if latest is not None:
            text, name = latest.text, latest.name
        else:
            text, name = self._config.policy.read_text(encoding="utf-8"), str(self._config.policy)
        if self._rejection is not None and self._rejection[0] == text:
            raise self._rejection[1]  # compiled already; that can take long
        try:
            return await self.apply(text, name)
        except PolicyError as error:
            self._rejection = (text, error)
            raise

    async def apply(self, text: str, name: str) -> PolicyState:
        """Compile, put in force, keep. PolicyError or EngineRefused: nothing has changed."""
        async with self._applying:
            generation = max(await self.generation(), self.history.latest_generation()) + 1
            image = self._compile(
                text,
                file=name,
                interfaces=self._config.interface_names,
                generation=generation,
            )
            await self._put_in_force(image, generation)
            state = PolicyState(generation, name, self._now().isoformat(), text)
            self._keep(state)
        _logger.info("event=policy_applied generation=%d name=%s", generation, quote(name))
        return state

    async def _put_in_force(self, image: bytes, generation: int) -> None:
        path = self._config.runtime_directory / f"policy-{generation}.bin"
        write_whole(path, image)
        try:
            await self._engine.call("policy_apply", timeout_sec=_APPLY_LIMIT_SEC, path=str(path))
        except EngineUnavailable:
            if not await self._is_in_force(generation):
                raise
        finally:
            path.unlink(missing_ok=True)

    async def _is_in_force(self, generation: int) -> bool:
        """Whether the engine committed although its answer was lost."""
        try:
            return await self.generation() == generation
        except EngineUnavailable:
            return False

    def _keep(self, state: PolicyState) -> None:
        try:
            self.history.add(state)
            write_whole(self._config.policy_document, state.text.encode())
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            message = f"in force as generation {state.generation}, but not kept: {reason}"
            raise NotKept(message) from error
