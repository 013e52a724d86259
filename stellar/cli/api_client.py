# SPDX-License-Identifier: Apache-2.0
"""Asks the control daemon: one HTTP request over its Unix socket."""

import argparse
import http.client
import json
import socket
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stellar.cli.failure import CommandError, ExitCode
from stellar.engine.config import DEFAULT_PATH, load_config

__all__ = ["ApiClient", "ApiFailure", "add_api_arguments", "open_api"]

_GET_LIMIT_SEC = 15.0
_POST_LIMIT_SEC = 90.0  # a large policy is compiled meanwhile


class ApiFailure(CommandError):
    """The daemon answered with an error."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        problems = body.get("problems") or [str(body.get("error", f"HTTP status {status}"))]
        is_rejected = body.get("kind") == "policy_rejected"
        code = ExitCode.POLICY_REJECTED if is_rejected else ExitCode.FAILED
        super().__init__("\n".join(problems), ExitCode.USAGE if status == 400 else code)
        self.status = status
        self.body = body
        self.problems = problems


class _UnixHttp(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, limit_sec: float) -> None:
        super().__init__("localhost", timeout=limit_sec)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ApiClient:
    """The control daemon as seen from a command."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Answer of a GET; parameters that are None are left out."""
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        suffix = f"?{urllib.parse.urlencode(wanted)}" if wanted else ""
        return self._request("GET", path + suffix, None)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Answer of a POST with a JSON body."""
        return self._request("POST", path, json.dumps(body).encode())

    def _request(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        limit_sec = _GET_LIMIT_SEC if body is None else _POST_LIMIT_SEC
        caller = _UnixHttp(self._path, limit_sec)
        try:
            caller.request(method, path, body, {"Content-Type": "application/json"})
            response = caller.getresponse()
            answer = json.loads(response.read())
        except (FileNotFoundError, ConnectionRefusedError):
            raise CommandError(f"{self._path}: expected a control daemon, found none") from None
        except PermissionError:
            raise CommandError(f"{self._path}: expected root or the appliance's user") from None
        except TimeoutError:
            message = f"{self._path}: expected an answer in {limit_sec:g} s, found none"
            raise CommandError(message) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CommandError(f"{self._path}: expected an answer, found: {error}") from error
        finally:
            caller.close()
        if response.status != 200:
            raise ApiFailure(response.status, answer)
        return dict(answer)


def add_api_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every command that asks the daemon."""
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_PATH,
        help="configuration file of the appliance, which names the socket (%(default)s)",
    )
    parser.add_argument("--socket", type=Path, help="the daemon's socket, without a configuration")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def open_api(arguments: argparse.Namespace) -> ApiClient:
    """The daemon that the arguments name."""
    return ApiClient(arguments.socket or load_config(arguments.config).api_socket)
