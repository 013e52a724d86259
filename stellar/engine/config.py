# SPDX-License-Identifier: Apache-2.0
"""The appliance configuration file: its model, and what must hold between its keys.

A key is a dataclass field: its type, default, range and sentence stand there and nowhere else. The
reader (`config_reader`) walks the YAML nodes beside the dataclasses. The document is checked alone:
whether a device or a plugin exists is found out by who opens it. Used by the engine process and by
`stellar.control`; imports little, because a restarted engine waits for it.
"""

import dataclasses
import enum
import ipaddress
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stellar.engine.config_reader import ConfigError, Reader, child

__all__ = [
    "ApplianceConfig",
    "ConfigError",
    "DEFAULT_PATH",
    "EngineConfig",
    "EngineLimits",
    "EventConfig",
    "EventType",
    "FailAction",
    "FullAction",
    "InterfaceConfig",
    "MetricsConfig",
    "Personality",
    "PluginConfig",
    "RecordConfig",
    "SessionConfig",
    "SessionTimeouts",
    "TapConfig",
    "TargetConfig",
    "TargetProfile",
    "WireConfig",
    "find_line",
    "load_config",
    "parse_config",
]

DEFAULT_PATH = Path("/etc/stellar/stellar.yml")
_SOCKET_PATH_MAX = 107  # sun_path of unix(7), without its NUL
_INTERFACE_NAME = r"[A-Za-z][A-Za-z0-9_.-]{0,31}"
_DEVICE_URI = r"(pcap|capture|xdp|memory|dpdk):.+"


class Personality(enum.Enum):
    """Which network function the appliance runs."""

    FIREWALL = "firewall"


class FullAction(enum.Enum):
    """What happens to the first packet of a session when the table is full."""

    EVICT_EMBRYONIC = "evict_embryonic"
    DROP_NEW = "drop_new"
    PASS_UNTRACKED = "pass_untracked"


class FailAction(enum.Enum):
    """What a wire does with traffic while no engine serves it."""

    CLOSED = "closed"
    OPEN = "open"


class EventType(enum.Enum):
    """Kinds of EVE lines."""

    FLOW = "flow"
    DROP = "drop"
    ANOMALY = "anomaly"
    STATS = "stats"
    PLUGIN = "plugin"


def _key(sentence: str, default: Any = dataclasses.MISSING, **limits: Any) -> Any:
    """Declare a key: what it means, its default (none: required), minimum, maximum, pattern."""
    metadata = {"sentence": sentence, **limits}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _timeout(sentence: str, default: int) -> Any:
    return _key(f"idle seconds: {sentence}", default, minimum=1, maximum=4_000_000)


@dataclass(frozen=True, slots=True)
class SessionTimeouts:
    """Idle time after which a session closes; names and defaults are those of engine.h."""

    tcp_opening_sec: int = _timeout("TCP before the handshake is complete", 30)
    tcp_established_sec: int = _timeout("TCP established", 7440)
    tcp_closing_sec: int = _timeout("TCP after the first FIN", 60)
    tcp_closed_sec: int = _timeout("TCP after RST or both FINs", 2)
    udp_opening_sec: int = _timeout("UDP, one side seen", 30)
    udp_active_sec: int = _timeout("UDP, both sides seen", 180)
    icmp_sec: int = _timeout("ICMP and ICMPv6", 30)
    other_sec: int = _timeout("any other IP protocol", 60)


def _limit(sentence: str, default: int) -> Any:
    return _key(f"a worker: {sentence}", default, minimum=1, maximum=2**40)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What a worker may keep; names and defaults are those of engine.h."""

    fragment_memory_bytes: int = _limit("fragments held", 33_554_432)
    fragment_source_bytes: int = _limit("fragments held from one source address", 4_194_304)
    fragment_pieces: int = _limit("pieces of one datagram", 2048)
    fragment_timeout_ms: int = _limit("time a datagram has to become whole", 30_000)
    stream_memory_bytes: int = _limit("bytes of TCP streams held", 134_217_728)
    stream_held_bytes: int = _limit("out of order in one direction of a session", 1_048_576)
    stream_kept_bytes: int = _limit("in order and not yet skipped, of one direction", 262_144)
    expectations: int = _limit("sessions announced and not yet there", 65_536)
    expectations_session: int = _limit("sessions announced by one session", 64)
    children_session: int = _limit("sessions derived from one session", 65_536)
    handoff_frames: int = _limit("frames of a worker that others have in hand", 1024)
    source_opening: int = _limit("sessions in OPENING that one source address began", 16_384)
    plugin_timers: int = _limit("timers that plugins have running", 1_048_576)
    hold_frames: int = _limit("frames held by plugins' verdicts, at most 65536", 4096)
    hold_session: int = _limit("held frames of one session", 64)
    ttl_min: int = _limit("time to live that a packet needs to reach its receiver", 1)


class TargetProfile(enum.Enum):
    """How a host puts overlapping IP fragments and TCP segments together."""

    LINUX = "linux"
    FIRST = "first"
    LAST = "last"
    BSD = "bsd"
    BSD_RIGHT = "bsd_right"
    WINDOWS = "windows"
    SOLARIS = "solaris"


@dataclass(frozen=True, slots=True)
class TargetConfig:
    """The target profile of the hosts of a prefix."""

    prefix: str = _key("network, as 192.0.2.0/24 or 2001:db8::/32")
    profile: TargetProfile = _key("what they are like")


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The session table of each worker."""

    capacity: int = _key("sessions a worker can hold", 1_048_576, minimum=64, maximum=2**31 - 2)
    full_action: FullAction = _key("when the table is full", FullAction.EVICT_EMBRYONIC)
    midstream: bool = _key("TCP sessions may begin without their handshake", True)
    asymmetric: bool = _key("one direction of a TCP session may take another route", False)
    urgent_inline: bool = _key("urgent bytes are part of a stream, as with SO_OOBINLINE", False)
    timeout: SessionTimeouts = _key("idle timeouts", SessionTimeouts)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The data path."""

    workers: int = _key("number of workers", 1, minimum=1, maximum=64)
    cpus: tuple[int, ...] = _key("CPU of each worker; empty: unpinned", (), minimum=0, maximum=4095)
    session: SessionConfig = _key("the session table", SessionConfig)
    limit: EngineLimits = _key("what a worker may keep", EngineLimits)
    target_profile: TargetProfile = _key("of hosts in no target's prefix", TargetProfile.LINUX)
    tunnel_parents: bool = _key("tunnels are sessions, parents of those inside", False)
    targets: tuple[TargetConfig, ...] = _key("profiles of networks; the longest prefix wins", ())
    watchdog_ms: int = _key(
        "end the process when a worker does not come back from a burst for so long; 0: never",
        2000,
        minimum=0,
        maximum=600_000,
    )
    verify_checksums: bool = _key("drop packets with wrong checksums", True)
    pass_malformed: bool = _key("let malformed packets cross a wire", False)


@dataclass(frozen=True, slots=True)
class InterfaceConfig:
    """A device under the name that policies and events use."""

    name: str = _key("name in policies and events", pattern=_INTERFACE_NAME)
    device: str = _key("device URI, as packet_io.h lists them", pattern=_DEVICE_URI)


@dataclass(frozen=True, slots=True)
class WireConfig:
    """Two interfaces joined transparently."""

    between: tuple[str, ...] = _key("the two interfaces")
    fail: FailAction = _key("while no engine serves the wire", FailAction.CLOSED)
    pass_non_ip: bool = _key("ARP and other non-IP frames cross", True)


@dataclass(frozen=True, slots=True)
class TapConfig:
    """An interface that is only listened to."""

    interface: str = _key("the interface")


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """An extra plugin."""

    path: Path = _key("file: .so or .lua")
    settings: Mapping[str, str] = _key("what the plugin declares, by name", dict)


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What the engine takes in, kept for `stellar replay`."""

    enabled: bool = _key("record", False)
    directory: Path = _key("each run gets one in it", Path("/var/lib/stellar/recordings"))
    size_bytes: int = _key(
        "of one run; the oldest goes first", 268_435_456, minimum=33_554_432, maximum=2**40
    )
    seconds: int = _key("of one run; 0: as many as fit", 0, minimum=0, maximum=31_536_000)


@dataclass(frozen=True, slots=True)
class EventConfig:
    """Where EVE JSON goes, and which lines."""

    path: Path = _key("EVE JSON file", Path("/var/log/stellar/eve.json"))
    types: tuple[EventType, ...] = _key("kinds of lines", tuple(EventType))


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """The Prometheus endpoint."""

    enabled: bool = _key("serve metrics", True)
    address: str = _key("loopback address", "127.0.0.1")
    port: int = _key("TCP port", 9150, minimum=1, maximum=65535)


@dataclass(frozen=True, slots=True)
class ApplianceConfig:
    """Everything that one appliance's two processes need to start."""

    personality: Personality = _key("which network function runs")
    policy: Path = _key("rendered policy document")
    interfaces: tuple[InterfaceConfig, ...] = _key("devices and their names")
    runtime_directory: Path = _key("sockets and process ids", Path("/run/stellar"))
    state_directory: Path = _key("what survives a restart", Path("/var/lib/stellar"))
    session_directories: tuple[Path, ...] = _key(
        "tmpfs or hugetlbfs whose sessions outlive a killed engine; the first that has room", ()
    )
    metrics: MetricsConfig = _key("Prometheus", MetricsConfig)
    engine: EngineConfig = _key("the data path", EngineConfig)
    wires: tuple[WireConfig, ...] = _key("transparent pairs", ())
    taps: tuple[TapConfig, ...] = _key("listen-only interfaces", ())
    plugins: tuple[PluginConfig, ...] = _key("extra plugins, or their paths", (), alone="path")
    events: EventConfig = _key("EVE JSON", EventConfig)
    record: RecordConfig = _key("recording", RecordConfig)

    @property
    def interface_names(self) -> tuple[str, ...]:
        """Names of the interfaces, in the order of their engine ids."""
        return tuple(interface.name for interface in self.interfaces)

    @property
    def engine_socket(self) -> Path:
        """Where the engine process listens."""
        return self.runtime_directory / "engine.sock"

    @property
    def api_socket(self) -> Path:
        """Where the control daemon listens."""
        return self.runtime_directory / "api.sock"

    @property
    def policy_image(self) -> Path:
        """The compiled policy in force, which the engine keeps."""
        return self.state_directory / "policy.bin"

    @property
    def policy_document(self) -> Path:
        """The rendered policy in force, which control keeps."""
        return self.state_directory / "policy.yml"


def load_config(path: Path) -> ApplianceConfig:
    """Read and check a configuration file; raises ConfigError with every problem found."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: expected a readable file, found: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: expected UTF-8 text, found byte {error.start}"]) from error
    return parse_config(text, str(path))


def find_line(path: Path, *key: str | int) -> int:
    """Line of a key of a file that load_config has read, for errors found later."""
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return 1 if root is None else int(child(root, *key).start_mark.line) + 1


def parse_config(text: str, file: str) -> ApplianceConfig:
    """Check the text of a configuration file; `file` is what errors call it."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"{file}:{line}: expected YAML, found: {error.problem}"]) from error
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
        raise ConfigError([f"{file}:1: expected YAML, found: {message}"]) from error
    reader = Reader(file)
    if root is None:
        raise ConfigError([f"{file}:1: expected a mapping of keys, found an empty file"])
    config = reader.read(root, ApplianceConfig, "", {})
    if not reader.problems:
        _verify(config, root, reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return typing.cast(ApplianceConfig, config)


def _verify(config: ApplianceConfig, root: yaml.Node, reader: Reader) -> None:
    """What holds between keys."""
    _verify_topology(config, root, reader)
    _verify_targets(config, root, reader)
    if config.record.enabled and config.engine.workers != 1:
        node = child(root, "engine", "workers")
        reader.refuse(node, "engine.workers", "1 while record is enabled")
    cpus = config.engine.cpus
    if cpus and len(cpus) != config.engine.workers:
        node = child(root, "engine", "cpus")
        reader.refuse(node, "engine.cpus", f"{config.engine.workers}, one a worker", str(len(cpus)))
    if len(str(config.engine_socket)) > _SOCKET_PATH_MAX:
        node = child(root, "runtime_directory")
        reader.refuse(node, "runtime_directory", f"a path below {_SOCKET_PATH_MAX - 12} bytes")
    try:
        is_loopback = ipaddress.ip_address(config.metrics.address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        node = child(root, "metrics", "address")
        reader.refuse(node, "metrics.address", "a loopback address")


def _verify_targets(config: ApplianceConfig, root: yaml.Node, reader: Reader) -> None:
    for position, target in enumerate(config.engine.targets):
        try:
            ipaddress.ip_network(target.prefix)
        except ValueError:
            node = child(root, "engine", "targets", position, "prefix")
            reader.refuse(node, f"engine.targets[{position}].prefix", "a network without host bits")


def _verify_topology(config: ApplianceConfig, root: yaml.Node, reader: Reader) -> None:
    names: set[str] = set()
    for position, interface in enumerate(config.interfaces):
        if interface.name in names:
            node = child(root, "interfaces", position, "name")
            reader.refuse(node, "interfaces", "each name once")
        names.add(interface.name)
    joined: set[str] = set()

    def join(name: str, node: yaml.Node, key: str) -> None:
        if name not in names:
            known = ", ".join(sorted(names)) or "none is defined"
            reader.refuse(node, key, f"the name of an interface ({known})")
        elif name in joined:
            reader.refuse(node, key, "an interface in no other wire or tap")
        joined.add(name)

    for position, wire in enumerate(config.wires):
        node = child(root, "wires", position, "between")
        key = f"wires[{position}].between"
        if len(wire.between) != 2:
            reader.refuse(node, key, "two interfaces", str(len(wire.between)))
            continue
        for end, name in enumerate(wire.between):
            join(name, child(node, end), key)
    for position, tap in enumerate(config.taps):
        node = child(root, "taps", position, "interface")
        join(tap.interface, node, f"taps[{position}].interface")
