# SPDX-License-Identifier: Apache-2.0

from collections.abc import Iterable, Sequence

class PluginHandle:
    entries: tuple[int, ...]
    def __init__(
        self,
        *,
        name: str,
        version: str,
        events: Iterable[str],
        entries: Sequence[int],
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        context_size: int = 0,
        context_persistent_size: int = 0,
        fail_open: bool = False,
        load_entry: int = 0,
        owner: object = None,
    ) -> None: ...
