# SPDX-License-Identifier: Apache-2.0

from collections.abc import Iterable, Mapping, Sequence

class PluginHandle:
    entries: tuple[Mapping[str, int], ...]
    def __init__(
        self,
        *,
        name: str,
        version: str,
        events: Iterable[str],
        entries: Sequence[Mapping[str, int]],
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        context_size: int = 0,
        context_persistent_size: int = 0,
        fail_open: bool = False,
        settings: Sequence[str] = (),
        raises: Sequence[str] = (),
        hears: Sequence[str] = (),
        tick_ms: int = 0,
        load_entry: int = 0,
        owner: object = None,
    ) -> None: ...
