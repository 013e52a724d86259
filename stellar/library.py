# SPDX-License-Identifier: Apache-2.0
"""The library: `for event in stellar.replay("x.pcap", plugins=[...])`, in process."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from stellar.engine import Engine, ResourceError
from stellar.engine.plugins import personality_plugin
from stellar.engine.replay import EVENT_TYPES, ReplayOptions, run
from stellar.personality import check_policy, compile_policy, open_policy

__all__ = ["replay"]


def replay(
    *captures: str | Path,
    plugins: Sequence[str | Path] = (),
    policy: str | Path | None = None,
    event_types: Sequence[str] = EVENT_TYPES,
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """Yield the EVE events of captures as they come, as dictionaries.

    policy: a document or template, with its personality in front of the plugins. options: fields
    of `stellar.engine.replay.ReplayOptions` (inline, workers, burst_size, ...). Whoever stops early
    stops the run. Raises StellarError when something is refused, or a capture can't be read to its
    end, after what came before.
    """
    paths = [Path(each) for each in plugins]
    image = None
    if policy is not None:
        source = open_policy(Path(policy))
        checked = check_policy(source)
        image = compile_policy(checked.policy, generation=1, file=source.file)
        paths.insert(0, personality_plugin(checked.policy.personality))
    run_ = _Run(
        ReplayOptions(
            captures=[Path(each) for each in captures],
            plugins=paths,
            policy_image=image,
            event_types=event_types,
            **options,
        )
    )
    return run_.events()


class _Run:
    """One replay on a thread of its own, whose events come through a pipe."""

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self._engine: Engine | None = None
        self._is_over = False

    def events(self) -> Iterator[dict[str, Any]]:
        """What it writes, to the end."""
        source, sink = os.pipe()
        with ThreadPoolExecutor(1, "replay") as threads, open(source, "rb") as lines:
            result = threads.submit(self._run, sink)
            try:
                for line in lines:
                    yield json.loads(line)
            finally:
                self._is_over = True
                if self._engine is not None:
                    self._engine.stop()
                for _ in lines:  # until the run has let go of its end
                    pass
            result.result()

    def _run(self, sink: int) -> None:
        try:
            result = run(replace(self._options, events=f"/dev/fd/{sink}", watch=self._watch))
        finally:
            os.close(sink)
        if result.problems:
            raise ResourceError(result.problems[0])

    @contextlib.contextmanager
    def _watch(self, engine: Engine) -> Iterator[None]:
        self._engine = engine
        if self._is_over:
            engine.stop()
        try:
            yield
        finally:
            self._engine = None
