# SPDX-License-Identifier: Apache-2.0
"""The appliance configuration file: its model, and the reader that turns a file into it.

A key is a dataclass field: its type, default, range and sentence stand there and nowhere else. The
reader walks the YAML nodes beside the dataclasses, so every error names file and line. It checks
the document alone: whether a device or a plugin exists is found out by who opens it. Used by the
engine process and by `stellar.control`; imports little, because a restarted engine waits for it.
"""

import dataclasses
import enum
import ipaddress
import re
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

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


class ConfigError(Exception):
    """The operator's configuration file is wrong; one `file:line: expected, found` a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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
    timeout: SessionTimeouts = _key("idle timeouts", SessionTimeouts)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The data path."""

    workers: int = _key("number of workers", 1, minimum=1, maximum=64)
    cpus: tuple[int, ...] = _key("CPU of each worker; empty: unpinned", (), minimum=0, maximum=4095)
    session: SessionConfig = _key("the session table", SessionConfig)
    limit: EngineLimits = _key("what a worker may keep", EngineLimits)
    target_profile: TargetProfile = _key("of hosts in no target's prefix", TargetProfile.LINUX)
    targets: tuple[TargetConfig, ...] = _key("profiles of networks; the longest prefix wins", ())
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
class EventConfig:
    """Where EVE JSON goes, and which lines."""

    path: Path = _key("EVE JSON file", Path("/var/log/stellar/eve.json"))
    types: tuple[EventType, ...] = _key(
        "kinds of lines", (EventType.FLOW, EventType.DROP, EventType.ANOMALY, EventType.STATS)
    )


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
    metrics: MetricsConfig = _key("Prometheus", MetricsConfig)
    engine: EngineConfig = _key("the data path", EngineConfig)
    wires: tuple[WireConfig, ...] = _key("transparent pairs", ())
    taps: tuple[TapConfig, ...] = _key("listen-only interfaces", ())
    plugins: tuple[Path, ...] = _key("extra plugins: .so or .lua", ())
    events: EventConfig = _key("EVE JSON", EventConfig)

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
    return 1 if root is None else int(_child(root, *key).start_mark.line) + 1


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
    reader = _Reader(file)
    if root is None:
        raise ConfigError([f"{file}:1: expected a mapping of keys, found an empty file"])
    config = reader.read(root, ApplianceConfig, "", {})
    if not reader.problems:
        _verify(config, root, reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return typing.cast(ApplianceConfig, config)


_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MISREAD = frozenset(_NULLS | {"true", "false", "True", "False", "TRUE", "FALSE"})


def _found(node: yaml.Node) -> str:
    """How an error names what stands in the file."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if node.value == "" else repr(node.value)


class _Reader:
    """Turns YAML nodes into typed values; collects problems instead of stopping at the first."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[str] = []

    def refuse(self, node: yaml.Node, key: str, expected: str, found: str | None = None) -> None:
        place = f"{self.file}:{node.start_mark.line + 1}"
        subject = f"{key}: " if key else ""
        found = found or _found(node)
        self.problems.append(f"{place}: {subject}expected {expected}, found {found}")

    def read(self, node: yaml.Node, kind: Any, key: str, limits: typing.Mapping[str, Any]) -> Any:
        """Value of the wanted kind, or None after a problem."""
        origin = typing.get_origin(kind)
        if origin is tuple:
            return self._sequence(node, typing.get_args(kind)[0], key, limits)
        if dataclasses.is_dataclass(kind):
            return self._mapping(node, typing.cast(type, kind), key)
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, key, "a single value")
            return None
        if issubclass(kind, enum.Enum):
            return self._choice(node, kind, key)
        if kind is bool:
            return self._boolean(node, key)
        if kind is int:
            return self._integer(node, key, limits)
        return self._text(node, kind, key, limits)

    def _mapping(self, node: yaml.Node, kind: type, key: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, key, "a mapping of keys")
            return None
        fields = {each.name: each for each in dataclasses.fields(kind)}
        hints = typing.get_type_hints(kind)
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else _found(key_node)
            path = f"{key}.{name}" if key else name
            if name in lines:
                self.refuse(key_node, path, "a key once", f"it again, first on line {lines[name]}")
                continue
            lines[name] = key_node.start_mark.line + 1
            if name not in fields:
                known = ", ".join(fields)
                self.refuse(key_node, key, f"one of the keys {known}", f"unknown key {name!r}")
                continue
            values[name] = self.read(value_node, hints[name], path, fields[name].metadata)
        for name, each in fields.items():
            required = each.default is each.default_factory is dataclasses.MISSING
            if required and name not in lines:
                self.refuse(node, key, f"the key {name!r}", "none")
        return None if self.problems else kind(**values)

    def _sequence(
        self, node: yaml.Node, kind: Any, key: str, limits: typing.Mapping[str, Any]
    ) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, key, "a list")
            return ()
        return tuple(
            self.read(item, kind, f"{key}[{position}]", limits)
            for position, item in enumerate(node.value)
        )

    def _choice(self, node: yaml.ScalarNode, kind: type[enum.Enum], key: str) -> enum.Enum | None:
        choices = [member.value for member in kind]
        if node.value not in choices:
            self.refuse(node, key, f"one of {', '.join(choices)}")
            return None
        return kind(node.value)

    def _boolean(self, node: yaml.ScalarNode, key: str) -> bool:
        if node.style or node.value not in ("true", "false"):
            self.refuse(node, key, "true or false")
        return bool(node.value == "true")

    def _integer(
        self, node: yaml.ScalarNode, key: str, limits: typing.Mapping[str, Any]
    ) -> int | None:
        minimum, maximum = limits["minimum"], limits["maximum"]
        expected = f"a number from {minimum} to {maximum}"
        if node.style or not _INTEGER.fullmatch(node.value) or len(node.value) > 18:
            self.refuse(node, key, expected)
            return None
        if not minimum <= int(node.value) <= maximum:
            self.refuse(node, key, expected)
        return int(node.value)

    def _text(
        self,
        node: yaml.ScalarNode,
        kind: type[str] | type[Path],
        key: str,
        limits: typing.Mapping[str, Any],
    ) -> str | Path | None:
        is_misread = node.value in _MISREAD or _INTEGER.fullmatch(node.value)
        if node.value == "" or (not node.style and is_misread):
            self.refuse(node, key, "a text")
            return None
        if kind is Path:
            if not node.value.startswith("/"):
                self.refuse(node, key, "an absolute path")
            return Path(node.value)
        pattern = limits.get("pattern")
        if pattern and not re.fullmatch(pattern, node.value):
            self.refuse(node, key, f"a text like {pattern}")
        return str(node.value)


def _child(node: yaml.Node, *path: str | int) -> yaml.Node:
    """The node at a path that is known to exist, or the deepest part of it that does."""
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == step), node)
    return node


def _verify(config: ApplianceConfig, root: yaml.Node, reader: _Reader) -> None:
    """What holds between keys."""
    _verify_topology(config, root, reader)
    _verify_targets(config, root, reader)
    cpus = config.engine.cpus
    if cpus and len(cpus) != config.engine.workers:
        node = _child(root, "engine", "cpus")
        reader.refuse(node, "engine.cpus", f"{config.engine.workers}, one a worker", str(len(cpus)))
    if len(str(config.engine_socket)) > _SOCKET_PATH_MAX:
        node = _child(root, "runtime_directory")
        reader.refuse(node, "runtime_directory", f"a path below {_SOCKET_PATH_MAX - 12} bytes")
    try:
        is_loopback = ipaddress.ip_address(config.metrics.address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        node = _child(root, "metrics", "address")
        reader.refuse(node, "metrics.address", "a loopback address")


def _verify_targets(config: ApplianceConfig, root: yaml.Node, reader: _Reader) -> None:
    for position, target in enumerate(config.engine.targets):
        try:
            ipaddress.ip_network(target.prefix)
        except ValueError:
            node = _child(root, "engine", "targets", position, "prefix")
            reader.refuse(node, f"engine.targets[{position}].prefix", "a network without host bits")


def _verify_topology(config: ApplianceConfig, root: yaml.Node, reader: _Reader) -> None:
    names: set[str] = set()
    for position, interface in enumerate(config.interfaces):
        if interface.name in names:
            node = _child(root, "interfaces", position, "name")
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
        node = _child(root, "wires", position, "between")
        key = f"wires[{position}].between"
        if len(wire.between) != 2:
            reader.refuse(node, key, "two interfaces", str(len(wire.between)))
            continue
        for end, name in enumerate(wire.between):
            join(name, _child(node, end), key)
    for position, tap in enumerate(config.taps):
        node = _child(root, "taps", position, "interface")
        join(tap.interface, node, f"taps[{position}].interface")
