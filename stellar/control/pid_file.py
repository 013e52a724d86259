# SPDX-License-Identifier: Apache-2.0
"""A locked file that holds a process id: one supervisor for a runtime directory.

The lock belongs to the open file, so a daemon inherits it over fork. Used by `stellar run`.
"""

import fcntl
import os
from pathlib import Path

__all__ = ["AlreadyRunning", "PidFile"]


class AlreadyRunning(Exception):
    """Another process holds the file's lock."""


class PidFile:
    """The lock is taken by making one, the process id written by write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.read(self._fd, 32).decode(errors="replace").strip() or "starting"
                os.close(self._fd)
                raise AlreadyRunning(f"{path}: already running, process {owner}") from None
            if self._is_in_place():
                return
            os.close(self._fd)  # its former owner removed it between our open and our lock

    def write(self) -> None:
        """Put the id of the calling process into the file."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Forget the file in this process; a forked daemon keeps the lock."""
        os.close(self._fd)

    def remove(self) -> None:
        """Take the file away and give the lock back."""
        self.path.unlink(missing_ok=True)
        os.close(self._fd)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self.path))
        except FileNotFoundError:
            return False
