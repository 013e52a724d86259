# SPDX-License-Identifier: Apache-2.0
"""The control daemon: `python -m stellar.control.daemon --config FILE`.

Serves the API and the metrics, and gives an engine that has no policy the one it should have. No
packet waits for it: stop it, and traffic goes on.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from stellar.control.api import Api, failure, listen
from stellar.control.apply import NotKept, PolicyKeeper
from stellar.control.engine_client import EngineClient, EngineRefused, EngineUnavailable
from stellar.engine.config import DEFAULT_PATH, ApplianceConfig, ConfigError, load_config
from stellar.policy.errors import PolicyError
from stellar.telemetry.log import quote, start_logging
from stellar.telemetry.prometheus import CONTENT_TYPE, render_metrics

__all__ = ["Daemon", "main"]

_logger = logging.getLogger(__name__)


class Daemon:
    """Everything the control daemon runs, from start to stop."""

    def __init__(
        self,
        config: ApplianceConfig,
        engine: EngineClient,
        keeper: PolicyKeeper,
        *,
        watch_sec: float = 1.0,
    ) -> None:
        self._watch_sec = watch_sec
        self._config = config
        self._engine = engine
        self._keeper = keeper
        self._api = Api(engine, keeper)
        self._stopping = asyncio.Event()
        self.listening = asyncio.Event()
        """Set when the API and the metrics can be asked."""

    def stop(self) -> None:
        """Begin the end; run returns when it is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until stopped."""
        self._note(await self._restore())  # before anyone can ask: the first answer is the policy
        runners: list[web.AppRunner] = []
        try:
            if self._config.metrics.enabled:
                runners.append(await self._serve_metrics())
            # Last: who finds the socket finds everything else.
            application = self._api.application(_answer_bugs)
            runners.append(await listen(application, self._config.api_socket))
            _logger.info("event=listening path=%s", quote(self._config.api_socket))
            self.listening.set()
            await self._watch_engine()
        finally:
            for runner in runners:
                await runner.cleanup()
            self._config.api_socket.unlink(missing_ok=True)

    async def _serve_metrics(self) -> web.AppRunner:
        application = web.Application()
        application.router.add_get("/metrics", self._scrape)
        runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await runner.setup()
        metrics = self._config.metrics
        try:
            await web.TCPSite(runner, metrics.address, metrics.port).start()
        except OSError:
            await runner.cleanup()
            raise
        return runner

    async def _scrape(self, request: web.Request) -> web.Response:
        try:
            stats = await self._engine.call("stats")
        except (EngineUnavailable, EngineRefused):
            stats = None
        return web.Response(body=render_metrics(stats), headers={"Content-Type": CONTENT_TYPE})

    async def _watch_engine(self) -> None:
        """Look at the engine each second; restore its policy when it has none."""
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._watch_sec)
                return
            self._note(await self._restore())

    def _note(self, problem: str | None) -> None:
        """Tell health what is wrong, and the log when that changes."""
        if problem != self._api.policy_problem:
            state = "engine_ready" if problem is None else "engine_not_ready"
            _logger.info("event=%s reason=%s", state, quote(problem or "none"))
        self._api.policy_problem = problem

    async def _restore(self) -> str | None:
        """Give the engine its policy where it has none; what is wrong, or None."""
        try:
            await self._keeper.restore()
        except OSError as error:
            return f"{error.filename}: {error.strerror}" if error.filename else str(error)
        except (EngineUnavailable, EngineRefused, PolicyError, NotKept) as error:
            return str(error)
        return None


@web.middleware
async def _answer_bugs(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A bug ends one request, not the daemon; the log has the whole of it."""
    try:
        return await handler(request)
    except Exception as error:
        _logger.exception("event=internal_error path=%s", request.path)
        return failure(500, "internal_error", f"internal error: {type(error).__name__}")


async def _run(config: ApplianceConfig) -> None:
    engine = EngineClient(config.engine_socket)
    daemon = Daemon(config, engine, PolicyKeeper(config, engine))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, daemon.stop)
    loop.add_signal_handler(signal.SIGINT, daemon.stop)
    await daemon.run()


def main(argv: list[str] | None = None) -> int:
    """Run the daemon; returns the exit code."""
    parser = argparse.ArgumentParser(prog="stellar.control.daemon", description=__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help="configuration file")
    path: Path = parser.parse_args(argv).config
    start_logging("control")
    try:
        asyncio.run(_run(load_config(path)))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{path}: control can't start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
