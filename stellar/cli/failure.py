# SPDX-License-Identifier: Apache-2.0
"""How a command ends: the exit codes, and the error that carries one of them."""

import enum

__all__ = ["CommandError", "ExitCode"]


class ExitCode(enum.IntEnum):
    """The documented exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    POLICY_REJECTED = 3


class CommandError(Exception):
    """A command can't go on; the text goes to standard error, a line a problem."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
