# SPDX-License-Identifier: Apache-2.0
"""Calls the engine process over its socket: one JSON object a line, one request, one response.

A call opens its own connection, so that a restarted engine is found again without any state here
and a slow call (a policy swap) holds up no other. Used by the daemon and the supervisor.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

__all__ = ["EngineClient", "EngineRefused", "EngineUnavailable"]

_RESPONSE_BYTES_MAX = 64 << 20


class EngineUnavailable(Exception):
    """Nobody answers on the engine's socket, or not in time."""


class EngineRefused(Exception):
    """The engine answered that it will not or can not; one line."""

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


class EngineClient:
    """The engine process as seen from control."""

    def __init__(self, path: Path, *, timeout_sec: float = 5.0) -> None:
        self._path = path
        self._timeout_sec = timeout_sec

    async def call(
        self, name: str, /, *, timeout_sec: float | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """The engine's answer to one call, without its `ok`."""
        wanted_sec = self._timeout_sec if timeout_sec is None else timeout_sec
        try:
            async with asyncio.timeout(wanted_sec):
                line = await self._exchange({"call": name, **arguments})
        except TimeoutError:
            raise EngineUnavailable(
                f"the engine did not answer {name} in {wanted_sec:g} s"
            ) from None
        except (OSError, EOFError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise EngineUnavailable(f"the engine is not running ({reason})") from error
        return _parse(line)

    async def _exchange(self, request: dict[str, Any]) -> bytes:
        reader, writer = await asyncio.open_unix_connection(
            str(self._path), limit=_RESPONSE_BYTES_MAX
        )
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
        finally:
            writer.close()
        if not line.endswith(b"\n"):
            raise EOFError("it closed the connection")
        return line


def _parse(line: bytes) -> dict[str, Any]:
    try:
        response = json.loads(line)
    except ValueError as error:
        raise EngineUnavailable("the engine's answer is not JSON") from error
    if not isinstance(response, dict):
        raise EngineUnavailable("the engine's answer is not a JSON object")
    if response.pop("ok", False) is not True:
        raise EngineRefused(str(response.get("error", "no reason given")), response.get("errno", 0))
    return response
