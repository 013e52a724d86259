# SPDX-License-Identifier: Apache-2.0
"""A real Linux endpoint: the kernel's stack behind a TUN device, in a namespace without a name.

The namespace lives as long as the descriptors that were opened in it, so nothing is left behind
when a test is killed. A packet written to the device is handled by the kernel before write returns.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

ADDRESS, PEER = "198.51.100.20", "192.0.2.10"
"""The endpoint's address, and one on the far side of the device (all of its network is there)."""
ADDRESS6, PEER6 = "2001:db8:2::20", "2001:db8:1::10"
MTU = 65535

_TUN = Path("/dev/net/tun")
_DEVICE = "endpoint"
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_PACKET_MAX = 1 << 16

_SETTINGS = {
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/router_solicitations": "0",
    "ipv4/icmp_ratelimit": "0",
    "ipv6/icmp/ratelimit": "0",
}


def missing_device() -> str:
    """Why there can be no host here, or nothing."""
    try:
        os.close(os.open(_TUN, os.O_RDWR))
    except OSError as error:
        return f"needs a TUN device ({_TUN}: {error.strerror})"
    return ""


class Host:
    """The endpoint. Use it in a `with` statement, from one thread."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """`settings`: names below /proc/sys/net in the namespace, beside those it needs."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._check(self._libc.unshare(_CLONE_NEWNET))
            self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._device = self._make_device({**_SETTINGS, **(settings or {})})
            finally:
                self._check(self._libc.setns(home, _CLONE_NEWNET))
        finally:
            os.close(home)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._device)
        os.close(self._namespace)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and the processes it starts, in the host's namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._check(self._libc.setns(self._namespace, _CLONE_NEWNET))
            try:
                yield
            finally:
                self._check(self._libc.setns(home, _CLONE_NEWNET))
        finally:
            os.close(home)

    def socket(
        self, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0
    ) -> socket.socket:
        """A socket of the host; it does not block."""
        with self.inside():
            made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    def inject(self, packet: bytes) -> None:
        """Let an IP packet arrive; the kernel has handled it when this returns.

        Raises OSError for what is no IP packet at all.
        """
        os.write(self._device, packet)

    def answers(self, timeout_sec: float = 0) -> list[bytes]:
        """IP packets that the host sent and nobody read; waits for the first up to `timeout_sec`,
        for what a timer of the host's sends."""
        if timeout_sec > 0:
            select.select([self._device], [], [], timeout_sec)
        packets = []
        while True:
            try:
                packets.append(os.read(self._device, _PACKET_MAX))
            except BlockingIOError:
                return packets

    def read_counters(self) -> dict[str, int]:
        """The host's counters of IP, ICMP, UDP and TCP: /proc/net/snmp and netstat, `Ip.ReasmOKs`;
        of IPv6 as in snmp6."""
        counters: dict[str, int] = {}
        with self.inside():
            for name in ("snmp", "netstat"):
                lines = Path(f"/proc/thread-self/net/{name}").read_text().splitlines()
                for keys, values in zip(lines[::2], lines[1::2], strict=True):
                    head, *names = keys.split()
                    counts = map(int, values.split()[1:])
                    counters |= {f"{head[:-1]}.{each}": n for each, n in zip(names, counts)}  # noqa: B905
            for line in Path("/proc/thread-self/net/snmp6").read_text().splitlines():
                key, value = line.split()
                counters[key] = int(value)
        return counters

    def _make_device(self, settings: Mapping[str, str]) -> int:
        for name, value in settings.items():
            Path("/proc/sys/net", name).write_text(value)
        device = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        request = struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(device, _TUNSETIFF, request)
        for command in (
            "link set lo up",
            f"link set {_DEVICE} mtu {MTU} up",
            f"address add {ADDRESS}/24 dev {_DEVICE}",
            f"address add {ADDRESS6}/64 dev {_DEVICE} nodad",
            f"route add default dev {_DEVICE}",
            f"-6 route add default dev {_DEVICE}",
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        return device

    def _check(self, result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
