# SPDX-License-Identifier: Apache-2.0
"""The configuration file: what is read, and how each mistake is named."""

import dataclasses
import re
from pathlib import Path

import pytest

from stellar.engine.config import (
    ConfigError,
    EventType,
    FailAction,
    FullAction,
    PluginConfig,
    SessionTimeouts,
    TargetConfig,
    TargetProfile,
    load_config,
    parse_config,
)

HEADER = Path(__file__).parents[3] / "native/include/stellar/engine.h"

MINIMAL = """\
personality: firewall
policy: /etc/stellar/policy.yml
interfaces:
  - {name: inside, device: "memory:a"}
  - {name: outside, device: "memory:b"}
"""

WHOLE = """\
personality: firewall
runtime_directory: /run/stellar
state_directory: /var/lib/stellar
session_directories: [/dev/hugepages/stellar, /dev/shm/stellar]
policy: /etc/stellar/policy.yml
metrics: {address: "::1", port: 9151}
engine:
  workers: 2
  cpus: [0, 3]
  session:
    capacity: 262144
    full_action: drop_new
    midstream: false
    asymmetric: true
    urgent_inline: true
    timeout: {tcp_established_sec: 100}
  limit: {source_opening: 100}
  target_profile: bsd
  targets: [{prefix: "192.0.2.0/24", profile: windows}]
  verify_checksums: false
  pass_malformed: true
interfaces:
  - {name: inside, device: "xdp:st-in"}
  - {name: outside, device: "xdp:st-out"}
  - {name: mirror, device: "capture:st-mirror"}
wires:
  - {between: [inside, outside], fail: open, pass_non_ip: false}
taps: [{interface: mirror}]
plugins:
  - /usr/lib/stellar/count.lua
  - path: /usr/lib/stellar/gate.so
    settings: {word: "", port: 023, loud: true, share: 0.5}
events: {path: /var/log/stellar/eve.json, types: [flow, drop]}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "stellar.yml")
    return caught.value.problems


def test_target_that_is_no_network_is_refused():
    text = MINIMAL + 'engine: {targets: [{prefix: "192.0.2.1/24", profile: linux}]}\n'

    assert problems_of(text) == [
        "stellar.yml:6: engine.targets[0].prefix: expected a network without host bits, "
        "found '192.0.2.1/24'"
    ]


def test_whole_document_is_read():
    config = parse_config(WHOLE, "stellar.yml")

    assert config.engine.workers == 2
    assert config.engine.cpus == (0, 3)
    assert config.engine.session.full_action is FullAction.DROP_NEW
    assert config.engine.session.midstream is False
    assert config.engine.session.asymmetric and config.engine.session.urgent_inline
    assert config.engine.limit.source_opening == 100
    assert config.engine.limit.fragment_pieces == 2048
    assert config.engine.target_profile is TargetProfile.BSD
    assert config.engine.targets == (TargetConfig("192.0.2.0/24", TargetProfile.WINDOWS),)
    assert config.session_directories == (
        Path("/dev/hugepages/stellar"),
        Path("/dev/shm/stellar"),
    )
    assert config.engine.session.timeout.tcp_established_sec == 100
    assert config.engine.session.timeout.udp_active_sec == 180
    assert config.engine.pass_malformed and not config.engine.verify_checksums
    assert config.interface_names == ("inside", "outside", "mirror")
    assert config.interfaces[0].device == "xdp:st-in"
    assert config.wires[0].between == ("inside", "outside")
    assert config.wires[0].fail is FailAction.OPEN
    assert config.taps[0].interface == "mirror"
    assert config.plugins == (
        PluginConfig(Path("/usr/lib/stellar/count.lua")),
        PluginConfig(
            Path("/usr/lib/stellar/gate.so"),
            {"word": "", "port": "023", "loud": "true", "share": "0.5"},
        ),
    )
    assert config.events.types == (EventType.FLOW, EventType.DROP)
    assert config.metrics.address == "::1"
    assert config.engine_socket == Path("/run/stellar/engine.sock")
    assert config.policy_image == Path("/var/lib/stellar/policy.bin")


def test_defaults_fill_what_is_absent():
    config = parse_config(MINIMAL, "stellar.yml")

    assert config.engine.workers == 1
    assert config.engine.verify_checksums
    assert config.metrics.port == 9150
    assert config.runtime_directory == Path("/run/stellar")
    assert config.wires == ()


def test_timeouts_are_those_of_the_header():
    listed = re.findall(r"X\((\w+_sec), (\d+),", HEADER.read_text())

    ours = {each.name: each.default for each in dataclasses.fields(SessionTimeouts)}

    assert ours == {name: int(seconds) for name, seconds in listed}
    assert ours


@pytest.mark.parametrize(
    ("addition", "problem"),
    [
        ("color: red\n", "6: expected one of the keys"),
        ("color: red\n", "unknown key 'color'"),
        ("policy: /other.yml\n", "6: policy: expected a key once, found it again, first on line 2"),
        ("engine: {workers: many}\n", "6: engine.workers: expected a number from 1 to 64"),
        (
            "engine: {workers: 65}\n",
            "6: engine.workers: expected a number from 1 to 64, found '65'",
        ),
        ("engine: {workers: 0x2}\n", "engine.workers: expected a number"),
        ("engine: {workers: '2'}\n", "engine.workers: expected a number"),
        ("engine: {workers: 1, workers: 1}\n", "engine.workers: expected a key once"),
        ("engine: {verify_checksums: yes}\n", "expected true or false, found 'yes'"),
        ("engine: []\n", "6: engine: expected a mapping of keys, found a list"),
        ("engine: {cpus: [0, 1]}\n", "6: engine.cpus: expected 1, one a worker, found 2"),
        ("engine: {session: {timeout: {tcp_sec: 3}}}\n", "unknown key 'tcp_sec'"),
        ("engine: {session: {full_action: panic}}\n", "expected one of evict_embryonic, drop_new"),
        ("wires: [{between: [inside]}]\n", "wires[0].between: expected two interfaces, found 1"),
        (
            "wires: [{between: [inside, dmz]}]\n",
            "expected the name of an interface (inside, outside)",
        ),
        ("wires: [{between: [inside, inside]}]\n", "expected an interface in no other wire or tap"),
        ("wires: [{fail: closed}]\n", "wires[0]: expected the key 'between', found none"),
        ("taps: [{interface: dmz}]\n", "taps[0].interface: expected the name of an interface"),
        (
            "runtime_directory: run\n",
            "6: runtime_directory: expected an absolute path, found 'run'",
        ),
        (f"runtime_directory: /{'r' * 100}\n", "runtime_directory: expected a path below"),
        ("runtime_directory: 12\n", "runtime_directory: expected a text, found '12'"),
        ("runtime_directory:\n", "runtime_directory: expected a text, found nothing"),
        ("metrics: {address: 192.0.2.1}\n", "6: metrics.address: expected a loopback address"),
        ("metrics: {address: here}\n", "6: metrics.address: expected a loopback address"),
        ("metrics: {port: 0}\n", "metrics.port: expected a number from 1 to 65535"),
        ("events: {types: [flow, noise]}\n", "events.types[1]: expected one of flow, drop"),
        ("events: {types: flow}\n", "events.types: expected a list, found 'flow'"),
        ("plugins: [a.so]\n", "6: plugins[0]: expected an absolute path, found 'a.so'"),
        ("plugins: [{settings: {}}]\n", "plugins[0]: expected the key 'path', found none"),
        (
            "plugins: [{path: /a.so, set: 1}]\n",
            "plugins[0]: expected one of the keys path, settings",
        ),
        ("plugins: [&a [*a]]\n", "plugins[0]: expected a mapping of keys, found a list"),
        (
            "plugins: [{path: /a, settings: [1]}]\n",
            "settings: expected a mapping of names, found a",
        ),
        (
            "plugins: [{path: /a, settings: {B: 1}}]\n",
            "expected a name of a-z, 0-9 and _, found 'B'",
        ),
        (
            "plugins: [{path: /a, settings: {b: }}]\n",
            "settings.b: expected a single value, found no",
        ),
        ("plugins: [{path: /a, settings: {b: [1]}}]\n", "settings.b: expected a single value"),
        ("plugins: [{path: /a, settings: {b: 1, b: 2}}]\n", "settings.b: expected a name once"),
        ("[1, 2]: 3\n", "unknown key 'a list'"),
        ("wires: [\n", "expected YAML"),
        ("wires: \x01\n", "expected YAML"),
    ],
)
def test_mistake_is_named_with_its_line(addition, problem):
    problems = problems_of(MINIMAL + addition)

    assert any(problem in each for each in problems), problems
    assert all(re.match(r"stellar\.yml:\d+: ", each) and "\n" not in each for each in problems)


def test_two_interfaces_of_one_name_are_refused():
    problems = problems_of(MINIMAL.replace("name: outside", "name: inside"))

    assert problems == ["stellar.yml:5: interfaces: expected each name once, found 'inside'"]


def test_every_problem_is_reported():
    problems = problems_of("personality: router\npolicy: p.yml\n")

    assert len(problems) == 3
    assert "stellar.yml:1: personality: expected one of firewall, found 'router'" in problems
    assert "stellar.yml:1: expected the key 'interfaces', found none" in problems


def test_device_without_a_known_kind_is_refused():
    problems = problems_of(MINIMAL.replace("memory:a", "eth0"))

    assert problems[0].startswith("stellar.yml:4: interfaces[0].device: expected a text like")


def test_empty_file_is_refused():
    assert problems_of("") == ["stellar.yml:1: expected a mapping of keys, found an empty file"]


def test_absent_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="expected a readable file, found: No such file"):
        load_config(tmp_path / "absent.yml")


def test_file_that_is_not_text_is_one_line(tmp_path):
    path = tmp_path / "stellar.yml"
    path.write_bytes(b"personality: \xff\n")

    with pytest.raises(ConfigError, match="expected UTF-8 text, found byte 13"):
        load_config(path)
