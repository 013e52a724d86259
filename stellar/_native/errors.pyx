# SPDX-License-Identifier: Apache-2.0
"""Every C error code becomes an exception here and nowhere else."""

import errno
import os


class StellarError(Exception):
    """Something the engine refused; `errno` has the positive code."""

    def __init__(self, message, code=0):
        super().__init__(message)
        self.errno = code


class PolicyError(StellarError):
    """A policy image was refused; the one in force stays."""


class PluginError(StellarError):
    """A plugin was refused."""


class ResourceError(StellarError):
    """A file, an interface, memory or a privilege is missing."""


class EngineStateError(StellarError):
    """The call does not fit the engine's state."""


_BY_CODE = {
    errno.ENOENT: ResourceError,
    errno.ENODEV: ResourceError,
    errno.ENOMEM: ResourceError,
    errno.EPERM: ResourceError,
    errno.EACCES: ResourceError,
    errno.ENETDOWN: ResourceError,
    errno.EBADMSG: ResourceError,
    errno.ENOSPC: ResourceError,
    errno.EBUSY: EngineStateError,
    errno.ESHUTDOWN: EngineStateError,
}


cdef int check(int result, const char *error, type fallback) except -1:
    """Return `result`, or raise what a negative one means; `error` has the engine's line.

    `fallback`: the exception for codes that mean no resource and no state.
    """
    if result >= 0:
        return result
    message = error.decode("utf-8", "replace") if error != NULL else ""
    raise _BY_CODE.get(-result, fallback)(message or os.strerror(-result), -result)
