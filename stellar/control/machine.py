# SPDX-License-Identifier: Apache-2.0
"""What a configuration needs of this machine: looks before anything is started, changes nothing.

Called by the supervisor, so that the usual mistakes give one line that names the key instead of the
engine's error after a start.
"""

import os
import socket
from pathlib import Path

from stellar.engine.config import ApplianceConfig, ConfigError, find_line

__all__ = ["NotOnThisMachine", "check_machine"]


class NotOnThisMachine(Exception):
    """The configuration is well formed, and this machine cannot run it; one line a problem."""


def check_machine(config: ApplianceConfig, path: Path) -> None:
    """Raise NotOnThisMachine, or ConfigError for a device that this version lacks."""
    absent: list[str] = []
    for position, interface in enumerate(config.interfaces):
        place = f"{path}:{find_line(path, 'interfaces', position, 'device')}"
        kind, _, rest = interface.device.partition(":")
        if kind == "dpdk":
            raise ConfigError([f"{place}: expected a device of this version, found dpdk:"])
        if kind not in ("xdp", "capture"):
            continue
        if os.geteuid() != 0:
            raise NotOnThisMachine(f"{place}: expected root for {kind}:, found uid {os.geteuid()}")
        device = rest.partition("?")[0]
        try:
            socket.if_nametoindex(device)
        except OSError:
            absent.append(f"{place}: expected a network interface, found none called {device!r}")
    if absent:
        raise NotOnThisMachine("\n".join(absent))
