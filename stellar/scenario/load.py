# SPDX-License-Identifier: Apache-2.0
"""Reads a scenario: YAML to values, strictly. Every error names file and line."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stellar.scenario.errors import ScenarioError
from stellar.scenario.model import (
    ADDRESSES,
    INTERFACE,
    Address,
    Expectation,
    Host,
    PluginChoice,
    RunOptions,
    Scenario,
)
from stellar.scenario.nodes import Nodes, describe
from stellar.scenario.steps import VERBS, StepReader

__all__ = ["load_scenario", "parse_scenario"]

_WORD = re.compile(r"[a-z][a-z0-9_]{0,62}")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_TOP = ("hosts", "spacing_us", "packets", "run", "expect")
_RUN = ("plugins", "policy", "inline", "engine", "bursts", "workers")
_ENGINE = (
    "personality", "midstream", "verify_checksums", "session_capacity", "full_action", "limits",
    "tunnel_parents", "target_profile",
)  # fmt: skip
_EXPECT = ("log", "events", "counters", "stats", "written")
_SPACING_US_MAX = 1_000_000_000


def load_scenario(path: Path) -> Scenario:
    """Read a file; ScenarioError has all that is wrong with it, OSError when it can't be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError([f"{path}:1: expected UTF-8 text, found {error.reason}"]) from None
    return parse_scenario(text, str(path))


def parse_scenario(text: str, file: str = "scenario") -> Scenario:
    """Read a text; `file` is its name in errors."""
    nodes = Nodes(file)
    root = nodes.compose(text)
    if root is None and not nodes.problems:
        nodes.refuse(1, f"one of {', '.join(_TOP)}", "nothing")
    if root is None:
        raise ScenarioError(nodes.problems)
    top = nodes.mapping(root, "a scenario", _TOP)
    hosts = _hosts(nodes, top.get("hosts"))
    reader = StepReader(nodes, hosts)
    if "packets" in top:
        reader.read_all(top["packets"])
    elif isinstance(root, yaml.MappingNode):
        nodes.refuse(root, "the key packets", "none")
    spacing_us = 1000
    if "spacing_us" in top:
        spacing_us = nodes.number(top["spacing_us"], "spacing_us", 0, _SPACING_US_MAX)
    run = _run(nodes, top["run"]) if "run" in top else RunOptions()
    expect = _expect(nodes, top["expect"]) if "expect" in top else Expectation()
    if nodes.problems:
        raise ScenarioError(list(dict.fromkeys(nodes.problems)))
    return Scenario(
        file=file,
        hosts=hosts,
        steps=tuple(reader.steps),
        spacing_us=spacing_us,
        run=run,
        expect=expect,
    )


def _hosts(nodes: Nodes, node: yaml.Node | None) -> dict[str, Host]:
    interfaces = dict.fromkeys(ADDRESSES, INTERFACE)
    addresses: dict[str, Address] = {
        name: ipaddress.ip_address(address) for name, address in ADDRESSES.items()
    }
    given = nodes.mapping(node, "hosts") if node is not None else {}
    for name, each in given.items():
        if not _WORD.fullmatch(name) or name in VERBS or name == "times":
            nodes.refuse(each, "a name as my_host, not a word of the language", repr(name))
            continue
        interfaces.setdefault(name, INTERFACE)
        where = each
        if isinstance(each, yaml.MappingNode):
            values = nodes.mapping(each, name, ("address", "interface"))
            if "interface" in values:
                interfaces[name] = nodes.text(values["interface"], "interface")
                if not _INTERFACE.fullmatch(interfaces[name]):
                    nodes.refuse(values["interface"], "an interface's name", interfaces[name])
            where = values.get("address", yaml.ScalarNode("", str(addresses.get(name, ""))))
            where.start_mark = each.start_mark
        try:
            addresses[name] = ipaddress.ip_address(nodes.text(where, name))
        except ValueError:
            nodes.refuse(where, f"{name}: an IP address", describe(where))
    return {
        name: Host(name, address, b"\2\0\0\0" + (i + 1).to_bytes(2, "big"), interfaces[name])
        for i, (name, address) in enumerate(addresses.items())
    }


def _run(nodes: Nodes, node: yaml.Node) -> RunOptions:
    values = nodes.mapping(node, "run", _RUN)
    plugins = None
    if "plugins" in values:
        plugins = [_plugin(nodes, each) for each in nodes.items(values["plugins"], "plugins")]
    engine = nodes.mapping(values["engine"], "engine", _ENGINE) if "engine" in values else {}
    return RunOptions(
        plugins=plugins,
        policy=nodes.text(values["policy"], "policy") if "policy" in values else None,
        inline=nodes.boolean(values["inline"], "inline") if "inline" in values else True,
        settings={name: nodes.value(each) for name, each in engine.items()},
        bursts=_numbers(nodes, values, "bursts", (1, 64)),
        workers=_numbers(nodes, values, "workers", (1, 2)),
    )


def _numbers(
    nodes: Nodes, values: Mapping[str, yaml.Node], name: str, default: tuple[int, ...]
) -> tuple[int, ...]:
    if name not in values:
        return default
    found = [nodes.number(each, name, 1, 64) for each in nodes.items(values[name], name)]
    if not found:
        nodes.refuse(values[name], f"{name}: one number at least", "none")
    return tuple(found)


def _plugin(nodes: Nodes, node: yaml.Node) -> PluginChoice:
    if isinstance(node, yaml.ScalarNode):
        return PluginChoice(nodes.text(node, "a plugin"))
    values = nodes.mapping(node, "a plugin", ("path", "settings"))
    if "path" not in values:
        nodes.refuse(node, "the path of a plugin", "none")
        return PluginChoice("")
    settings = nodes.mapping(values["settings"], "settings") if "settings" in values else {}
    return PluginChoice(
        nodes.text(values["path"], "path"),
        {name: nodes.text(each, name) for name, each in settings.items()},
    )


def _expect(nodes: Nodes, node: yaml.Node) -> Expectation:
    values = nodes.mapping(node, "expect", _EXPECT)
    log = None
    if "log" in values:
        log = [nodes.text(each, "log") for each in nodes.items(values["log"], "log")]
    events = []
    for each in nodes.items(values["events"], "events") if "events" in values else []:
        fields = nodes.mapping(each, "an event")
        count = 1
        if "count" in fields:
            count = nodes.number(fields.pop("count"), "count", 0, 2**31)
        places = {name: nodes.value(value) for name, value in fields.items()}
        events.append((_flatten(places), count))
    counters = {}
    if "counters" in values:
        for name, each in nodes.mapping(values["counters"], "counters").items():
            given = nodes.mapping(each, name)
            counters[name] = {
                key: nodes.number(value, key, 0, 2**63) for key, value in given.items()
            }
    stats = nodes.mapping(values["stats"], "stats") if "stats" in values else {}
    return Expectation(
        log=log,
        events=events,
        counters=counters,
        stats={place: nodes.value(each) for place, each in stats.items()},
        written=_written(nodes, values.get("written")),
    )


def _written(nodes: Nodes, node: yaml.Node | None) -> list[str] | int | None:
    if node is None:
        return None
    if isinstance(node, yaml.SequenceNode):
        return [nodes.text(each, "written") for each in nodes.items(node, "written")]
    return nodes.number(node, "written: a list of frames, or", 0, 2**31)


def _flatten(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as dotted places."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{above}{name}.")
        else:
            flat[above + name] = value
    return flat
