# SPDX-License-Identifier: Apache-2.0
"""The API: HTTP and JSON on a Unix socket, for root and for the owner of the appliance only.

Each endpoint of `endpoints.py` is a method here. Failures are JSON too: `error` is one line, `kind`
a word for programs, `problems` the lines of a rejected policy.
"""

import os
import socket
import struct
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

import stellar
from stellar.control.apply import NotKept, PolicyKeeper
from stellar.control.endpoints import ENDPOINTS, describe_api
from stellar.control.engine_client import EngineClient, EngineRefused, EngineUnavailable
from stellar.control.sessions import (
    SessionFilter,
    SessionFilterError,
    explain,
    find,
    page,
    parse_number,
)
from stellar.policy.errors import PolicyError

__all__ = ["Api", "failure", "is_trusted", "listen"]

_BODY_BYTES_MAX = 64 << 20
_LIMIT_MAX = 10_000
_LIMIT_DEFAULT = 100
_RELOAD_LIMIT_SEC = 30.0


class _BadRequest(Exception):
    """The request's body is not what the endpoint takes; one line."""


class Api:
    """What the endpoints do."""

    def __init__(self, engine: EngineClient, keeper: PolicyKeeper) -> None:
        self._engine = engine
        self._keeper = keeper
        self.policy_problem: str | None = None
        """Why the engine has not got the policy it should have; None: it has."""

    def application(self, *outer: Middleware) -> web.Application:
        """The aiohttp application that serves all endpoints, inside of the caller's middlewares."""
        middlewares = (*outer, _answer_failures, _check_peer)
        application = web.Application(middlewares=middlewares, client_max_size=_BODY_BYTES_MAX)
        for endpoint in ENDPOINTS:
            application.router.add_route(
                endpoint.method, endpoint.path, getattr(self, endpoint.name)
            )
        return application

    async def health(self, request: web.Request) -> web.Response:
        """GET /v1/health"""
        engine: dict[str, Any] = {"running": True}
        policy: dict[str, Any] = {"generation": 0}
        try:
            policy["generation"] = await self._keeper.generation()
        except (EngineUnavailable, EngineRefused) as error:
            engine = {"running": False, "error": str(error)}
        if self.policy_problem is not None:
            policy["error"] = self.policy_problem
        is_ok = engine["running"] and policy["generation"] > 0
        body = {
            "status": "ok" if is_ok else "degraded",
            "version": stellar.__version__,
            "engine": engine,
            "policy": policy,
        }
        return web.json_response(body, status=200 if is_ok else 503)

    async def stats(self, request: web.Request) -> web.Response:
        """GET /v1/stats"""
        return web.json_response(await self._engine.call("stats"))

    async def sessions(self, request: web.Request) -> web.Response:
        """GET /v1/sessions"""
        wanted = SessionFilter.parse(request.query)
        limit = parse_number(request.query, "limit", _LIMIT_MAX)
        if limit == 0:
            raise SessionFilterError(f"limit: expected a number from 1 to {_LIMIT_MAX}, found '0'")
        cursor = request.query.get("cursor")
        found, following = await page(self._engine, wanted, limit or _LIMIT_DEFAULT, cursor)
        found = [self._named(record) for record in found]
        return web.json_response({"sessions": found, "cursor": following})

    async def session(self, request: web.Request) -> web.Response:
        """GET /v1/sessions/{id}"""
        session_id = parse_number(request.match_info, "id", 2**64 - 1)
        record = await find(self._engine, session_id) if session_id is not None else None
        if record is None:
            return failure(404, "not_found", f"no session {session_id} in the table")
        generation = await self._keeper.generation()
        record = self._named(record)
        return web.json_response({**record, "verdict": explain(record, generation)})

    async def plugins(self, request: web.Request) -> web.Response:
        """GET /v1/plugins"""
        return web.json_response(await self._engine.call("plugins"))

    async def reload_plugin(self, request: web.Request) -> web.Response:
        """POST /v1/plugins/{name}/reload"""
        body = await _read_body(request, "path")
        path = body.get("path")
        if not isinstance(path, str | None) or (path and not path.startswith("/")):
            raise _BadRequest("path: expected an absolute path, or none")
        name = request.match_info["name"]
        try:
            answer = await self._engine.call(
                "plugin_reload", timeout_sec=_RELOAD_LIMIT_SEC, name=name, path=path
            )
        except EngineRefused as error:
            return failure(409, "engine_refused", str(error))
        return web.json_response(answer)

    async def interfaces(self, request: web.Request) -> web.Response:
        """GET /v1/interfaces"""
        return web.json_response(await self._engine.call("interfaces"))

    async def policy(self, request: web.Request) -> web.Response:
        """GET /v1/policy"""
        generation = await self._keeper.generation()
        state = self._keeper.history.get(generation)
        body = {
            "generation": generation,
            "name": state.name if state else "",
            "applied_at": state.applied_at if state else "",
            "text": state.text if state else "",
            "rules": list(self._keeper.history.rules(generation)),
            "problem": self.policy_problem,
        }
        return web.json_response(body)

    async def apply_policy(self, request: web.Request) -> web.Response:
        """POST /v1/policy"""
        body = await _read_body(request, "text", "name")
        if not isinstance(body.get("text"), str):
            raise _BadRequest("body: expected an object with a string 'text'")
        name = body.get("name", "policy.yml")
        if not isinstance(name, str):
            raise _BadRequest("body: expected only the strings 'text' and 'name'")
        try:
            state = await self._keeper.apply(body["text"], name)
        except EngineRefused as error:
            return failure(409, "engine_refused", f"{name}: the engine refused it: {error}")
        self.policy_problem = None
        answer = {
            "generation": state.generation,
            "name": state.name,
            "applied_at": state.applied_at,
        }
        return web.json_response(answer)

    async def openapi(self, request: web.Request) -> web.Response:
        """GET /v1/openapi.json"""
        return web.json_response(describe_api())

    def _named(self, record: dict[str, Any]) -> dict[str, Any]:
        """A session with the name of the rule that judged it, where it is known."""
        rules = self._keeper.history.rules(record["generation"])
        rule_id = record["rule_id"]
        return {**record, "rule": rules[rule_id - 1] if 0 < rule_id <= len(rules) else None}


async def listen(application: web.Application, path: Path) -> web.AppRunner:
    """Serve on a Unix socket of our own; the runner's cleanup ends it."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)  # 0660 from the first moment
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


def failure(status: int, kind: str, error: str, problems: list[str] | None = None) -> web.Response:
    """An error as every endpoint answers it."""
    body: dict[str, Any] = {"error": error, "kind": kind}
    if problems is not None:
        body["problems"] = problems
    return web.json_response(body, status=status)


async def _read_body(request: web.Request, *keys: str) -> dict[str, Any]:
    """The JSON object that a request has, with no other keys."""
    try:
        body = await request.json()
    except ValueError as error:
        raise _BadRequest("body: expected JSON") from error
    if not isinstance(body, dict) or set(body) - set(keys):
        raise _BadRequest(f"body: expected an object with {' and '.join(map(repr, keys))}")
    return body


@web.middleware
async def _answer_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return failure(error.status, "http", error.reason)
    except (SessionFilterError, _BadRequest) as error:
        return failure(400, "bad_request", str(error))
    except PolicyError as error:
        problems = [str(problem) for problem in error.problems]
        return failure(422, "policy_rejected", "the policy was rejected", problems)
    except NotKept as error:
        return failure(500, "not_kept", str(error))
    except EngineRefused as error:
        return failure(502, "engine_refused", str(error))
    except EngineUnavailable as error:
        return failure(503, "engine_unavailable", str(error))
    except OSError as error:
        return failure(500, "system", str(error))


@web.middleware
async def _check_peer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse users other than root and our own, whatever the socket's mode has become."""
    peer = request.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    if not is_trusted(uid):
        return failure(403, "forbidden", f"expected root or uid {os.geteuid()}, found uid {uid}")
    return await handler(request)


def is_trusted(uid: int) -> bool:
    """Whether a user of this machine may use the API."""
    return uid in (0, os.geteuid())
