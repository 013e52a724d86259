# SPDX-License-Identifier: Apache-2.0
"""Reads the traffic of a scenario: lines of YAML to steps, with everything they name looked up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from stellar.scenario.frame import TCP_FLAGS
from stellar.scenario.icmp import ERROR_KINDS
from stellar.scenario.model import Host, Step, Verb
from stellar.scenario.nodes import Nodes, describe, with_counter

__all__ = ["VERBS", "StepReader"]

_STEPS_MAX = 200_000
_REPEAT_MAX = 100_000
_DATA_MAX = 65_000
_FIRST_PORT = 40_000
_WAIT_MS_MAX = 1_000_000_000

_PROTOCOLS = ("tcp", "udp", "icmp")
_HOST_WORD = r"([a-z][a-z0-9_]*)(?::([0-9]{1,5}))?"
_SENTENCE = re.compile(rf"([a-z]+) +{_HOST_WORD} *>? *{_HOST_WORD}")

_OF_SESSION = ("as", "vlan", "ttl", "sequences")
_OF_SEGMENT = ("in", "flags", "seq", "ack", "offset", "window", "ttl")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    Verb.OPEN: _OF_SESSION,
    Verb.SESSION: _OF_SESSION,
    Verb.SAY: (*_OF_SEGMENT, "fragment_bytes", "fragment_order"),
    Verb.CLOSE: ("by",),
    Verb.FINISH: _OF_SEGMENT,
    Verb.RESET: _OF_SEGMENT,
    Verb.ACKNOWLEDGE: _OF_SEGMENT,
    Verb.ERROR: ("in", "kind", "ttl"),
    Verb.FRAME: ("at",),
    Verb.WAIT_MS: (),
    Verb.PULSE: (),
    "repeat": ("packets", "counter"),
}
VERBS = tuple(verb for verb in _OPTIONS if verb != Verb.SAY)
_NUMBERS = {
    "vlan": (1, 4094), "ttl": (1, 255), "seq": (0, 2**32 - 1), "ack": (0, 2**32 - 1),
    "offset": (0, 2**32 - 1), "window": (0, 65535), "fragment_bytes": (8, 65528),
}  # fmt: skip


@dataclass(slots=True)
class StepReader:
    """Reads steps in order; remembers the sessions they open."""

    nodes: Nodes
    hosts: Mapping[str, Host]
    steps: list[Step] = field(default_factory=list)
    _sessions: dict[str, Step] = field(default_factory=dict)
    _last: str = ""
    _port: int = _FIRST_PORT

    def read_all(self, node: yaml.Node) -> None:
        """Read the whole traffic."""
        self._read_list(node)
        if not self.nodes.problems and self.steps and self.steps[-1].verb == Verb.WAIT_MS:
            line = self.steps[-1].line
            self.nodes.refuse(line, "a packet after the wait (such as pulse)", "the end")

    def _read_list(self, node: yaml.Node) -> None:
        for each in self.nodes.items(node, "packets"):
            if len(self.steps) >= _STEPS_MAX:
                self.nodes.refuse(each, f"at most {_STEPS_MAX} steps", "more")
                return
            self._read(each)

    def _read(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.ScalarNode) and node.value == Verb.CLOSE:
            self._keep(self._close(node, node, {}), 1)
            return
        if isinstance(node, yaml.ScalarNode) and node.value == Verb.PULSE:
            self._keep(Step(Verb.PULSE, node.start_mark.line + 1), 1)
            return
        if not isinstance(node, yaml.MappingNode):
            self.nodes.refuse(node, f"a step: {self._words()}", describe(node))
            return
        values = self.nodes.mapping(node, "a step")
        verbs = [word for word in values if word in VERBS or word in self.hosts]
        if len(verbs) != 1:
            found = " and ".join(map(repr, verbs or values)) or "nothing"
            self.nodes.refuse(node, f"one of {self._words()}", found)
            return
        word = verbs[0]
        subject = values.pop(word)
        times = 1
        if "times" in values and word != "repeat":
            times = self.nodes.number(values.pop("times"), "times", 1, _REPEAT_MAX)
        verb = word if word in VERBS else Verb.SAY
        for name in set(values) - set(_OPTIONS[verb]):
            expected = ", ".join((*_OPTIONS[verb], "times"))
            self.nodes.refuse(values.pop(name), f"beside {word}: some of {expected}", repr(name))
        if verb == "repeat":
            self._repeat(node, subject, values)
        elif step := self._step(verb, word, node, subject, values):
            self._keep(step, times)

    def _words(self) -> str:
        return ", ".join((*VERBS, *self.hosts))

    def _keep(self, step: Step | None, times: int) -> None:
        if step is not None:
            self.steps += [step] * min(times, _STEPS_MAX - len(self.steps))

    def _repeat(self, node: yaml.Node, count: yaml.Node, values: dict[str, yaml.Node]) -> None:
        if "packets" not in values:
            self.nodes.refuse(node, "packets beside repeat", "none")
            return
        name = self.nodes.text(values["counter"], "counter") if "counter" in values else "n"
        for i in range(self.nodes.number(count, "repeat", 1, _REPEAT_MAX)):
            if self.nodes.problems:  # once is enough
                return
            self._read_list(with_counter(values["packets"], name, i))

    def _step(
        self,
        verb: str,
        word: str,
        node: yaml.Node,
        subject: yaml.Node,
        values: dict[str, yaml.Node],
    ) -> Step | None:
        line = node.start_mark.line + 1
        match verb:
            case Verb.OPEN | Verb.SESSION:
                return self._open(verb, subject, values)
            case Verb.WAIT_MS:
                wait_ms = self.nodes.number(subject, verb, 0, _WAIT_MS_MAX)
                return Step(verb, line, wait_ms=wait_ms)
            case Verb.FRAME:
                return self._frame(line, subject, values)
            case Verb.PULSE:
                return Step(verb, line)
            case Verb.CLOSE:
                return self._close(node, subject, values)
            case Verb.SAY:
                return self._by_host(verb, word, subject, values, self._payload(subject))
        return self._by_host(verb, self.nodes.text(subject, verb), subject, values, b"")

    def _open(self, verb: str, node: yaml.Node, values: dict[str, yaml.Node]) -> Step | None:
        found = _SENTENCE.fullmatch(self.nodes.text(node, verb))
        if not found or found[1] not in _PROTOCOLS:
            expected = f"{verb}: PROTOCOL HOST[:PORT] > HOST[:PORT], of {', '.join(_PROTOCOLS)}"
            self.nodes.refuse(node, expected, describe(node))
            return None
        protocol, originator, responder = found[1], found[2], found[4]
        for name in (originator, responder):
            if name not in self.hosts:
                self.nodes.refuse(node, f"a host: {', '.join(self.hosts)}", repr(name))
                return None
        families = {self.hosts[name].address.version for name in (originator, responder)}
        if len(families) != 1:
            self.nodes.refuse(node, "two hosts of one IP version", "IPv4 and IPv6")
        ports = (int(found[3] or 0), int(found[5] or 0))
        if max(ports) > 65535:
            self.nodes.refuse(node, "a port from 1 to 65535", str(max(ports)))
            return None
        if protocol != "icmp" and ports[1] == 0:
            self.nodes.refuse(node, f"a port of {responder}, as {responder}:80", "none")
        if ports[0] == 0:
            ports = (self._port, ports[1])
            self._port = self._port + 1 if self._port < 65535 else _FIRST_PORT
        options = self._options(verb, values)
        name = str(options.pop("as", f"session {len(self._sessions) + 1}"))
        if name in self._sessions:
            self.nodes.refuse(node, "a name of its own", f"{name!r} again")
        step = Step(
            verb, node.start_mark.line + 1, session=name, host=originator, peer=responder,
            protocol=protocol, ports=ports, options=options,
        )  # fmt: skip
        self._sessions[name] = step
        self._last = name
        return step

    def _session(self, place: yaml.Node, name: str | None) -> Step | None:
        name = name or self._last
        if name not in self._sessions:
            known = ", ".join(map(repr, list(self._sessions)[:10])) or "open before"
            self.nodes.refuse(place, f"a session: {known}", repr(name) if name else "none")
            return None
        return self._sessions[name]

    def _by_host(
        self, verb: str, host: str, place: yaml.Node, values: dict[str, yaml.Node], data: bytes
    ) -> Step | None:
        options = self._options(verb, values)
        session = self._session(values.get("in", place), options.pop("in", None))
        if session is None:
            return None
        is_error = verb == Verb.ERROR
        members = list(self.hosts) if is_error else [session.host, session.peer]
        if host not in members:
            self.nodes.refuse(place, f"a host of the session: {', '.join(members)}", repr(host))
            return None
        if session.protocol != "tcp":
            wrong = [
                name for name in options if name in ("flags", "seq", "ack", "offset", "window")
            ]
            if wrong or verb not in (Verb.SAY, Verb.ERROR):
                self.nodes.refuse(place, "a TCP session", session.protocol)
        if is_error and options.get("kind") not in ERROR_KINDS:
            self.nodes.refuse(
                place, f"kind: one of {', '.join(ERROR_KINDS)}", repr(options.get("kind"))
            )
            return None
        line = place.start_mark.line + 1
        return Step(
            verb, line, session=session.session, host=host, protocol=session.protocol, data=data,
            options=options,
        )  # fmt: skip

    def _close(
        self, node: yaml.Node, subject: yaml.Node, values: dict[str, yaml.Node]
    ) -> Step | None:
        named = None if subject is node else self.nodes.text(subject, "close")
        session = self._session(subject, named)
        if session is None:
            return None
        by = self.nodes.text(values["by"], "by") if "by" in values else session.host
        if by not in (session.host, session.peer) or session.protocol != "tcp":
            self.nodes.refuse(node, "a host of a TCP session", f"{by!r}, {session.protocol}")
            return None
        return Step(Verb.CLOSE, node.start_mark.line + 1, session=session.session, host=by)

    def _frame(self, line: int, node: yaml.Node, values: dict[str, yaml.Node]) -> Step:
        options = self._options(Verb.FRAME, values)
        if options.setdefault("at", next(iter(self.hosts))) not in self.hosts:
            self.nodes.refuse(values["at"], "a host", repr(options["at"]))
        return Step(Verb.FRAME, line, data=self._hex(node), options=options)

    def _options(self, verb: str, values: dict[str, yaml.Node]) -> dict[str, Any]:
        return {
            name: self._option(name, node)
            for name, node in values.items()
            if name in _OPTIONS[verb]
        }

    def _option(self, name: str, node: yaml.Node) -> Any:
        if name in _NUMBERS:
            return self.nodes.number(node, name, *_NUMBERS[name])
        if name in ("sequences", "fragment_order"):
            limit = 2**32 - 1 if name == "sequences" else 8191
            numbers = [
                self.nodes.number(each, name, 0, limit) for each in self.nodes.items(node, name)
            ]
            if name == "sequences" and len(numbers) != 2:
                self.nodes.refuse(node, "two sequence numbers", str(len(numbers)))
                return [0, 0]
            return numbers
        value = self.nodes.text(node, name)
        if name == "flags" and not set(value) <= set(TCP_FLAGS):
            self.nodes.refuse(node, f"flags of {TCP_FLAGS}", describe(node))
            return ""
        return value

    def _payload(self, node: yaml.Node) -> bytes:
        if isinstance(node, yaml.ScalarNode):
            data = str(node.value).encode()
        else:
            values = self.nodes.mapping(node, "data", ("text", "hex", "bytes"))
            if len(values) != 1:
                self.nodes.refuse(node, "one of text, hex, bytes", str(len(values)))
            data = b"".join(self._part(name, each) for name, each in values.items())
        if len(data) > _DATA_MAX:
            self.nodes.refuse(node, f"at most {_DATA_MAX} bytes", str(len(data)))
        return data

    def _part(self, name: str, node: yaml.Node) -> bytes:
        match name:
            case "hex":
                return self._hex(node)
            case "bytes":
                count = self.nodes.number(node, name, 0, _DATA_MAX)
                return (b"0123456789abcdef" * (count // 16 + 1))[:count]
        return self.nodes.text(node, name).encode()

    def _hex(self, node: yaml.Node) -> bytes:
        try:
            return bytes.fromhex(self.nodes.text(node, "hex"))
        except ValueError:
            self.nodes.refuse(node, "hexadecimal digits in pairs", describe(node))
            return b""
