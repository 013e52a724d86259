# SPDX-License-Identifier: Apache-2.0
"""`stellar replay`: arguments, outputs, exit codes; what it computes, tests/replay shows."""

import ipaddress
import json
import re
import struct

import pytest

from stellar.cli.main import main


def make_udp_frame(source, destination, port):
    payload = b"payload"
    udp = struct.pack(">HHHH", 40000, port, 8 + len(payload), 0) + payload
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + addresses
    total = sum(struct.unpack(">10H", head))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return bytes(12) + b"\x08\x00" + head[:10] + struct.pack(">H", checksum) + head[12:] + udp


def write_capture(path, frames):
    records = [
        struct.pack("<IIII", 1_700_000_000 + second, 0, len(frame), len(frame)) + frame
        for second, frame in enumerate(frames)
    ]
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    path.write_bytes(head + b"".join(records))


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "web.pcap"
    frames = [make_udp_frame("192.0.2.1", "198.51.100.10", port) for port in (53, 80, 53)]
    write_capture(path, frames)
    return path


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "dns.yml.j2"
    path.write_text(
        "personality: firewall\n"
        "zones:\n"
        "  inside: {networks: [192.0.2.0/24]}\n"
        "  outside: {}\n"
        "services: {dns: [{protocol: udp, ports: [{{ dns_port }}]}]}\n"
        "rules:\n"
        "  - {name: allow-dns, from: inside, to: outside, service: dns, action: allow}\n"
        "default: drop\n"
    )
    (tmp_path / "vars.yml").write_text("dns_port: 53\n")
    return [str(path), "--vars", str(tmp_path / "vars.yml")]


def test_figures_are_printed_for_people(capsys, capture):
    assert main(["replay", str(capture)]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["received", "3"] in lines
    assert ["created", "2"] in lines


@pytest.mark.parametrize("words", [["--stats", "-"], ["--json"]])
def test_figures_are_json_on_standard_output(capsys, capture, words):
    assert main(["replay", str(capture), *words]) == 0

    assert json.loads(capsys.readouterr().out)["packets"]["forwarded"] == 3


def test_figures_and_events_go_to_files(capsys, capture, tmp_path):
    stats, events = tmp_path / "stats.json", tmp_path / "eve.json"

    code = main(["replay", str(capture), "--stats", str(stats), "--events", str(events)])

    assert (code, capsys.readouterr().out) == (0, "")
    assert json.loads(stats.read_text())["packets"]["received"] == 3
    kinds = [json.loads(line)["event_type"] for line in events.read_text().splitlines()]
    assert kinds.count("flow") == 2


def test_events_on_standard_output_stand_alone(capfd, capture):
    assert main(["replay", str(capture), "--events", "-", "--event-types", "flow"]) == 0

    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {event["event_type"] for event in events} == {"flow"}


def test_template_is_compiled_and_bites_inline(capsys, capture, policy, tmp_path):
    written = tmp_path / "out.pcap"
    words = ["--policy", *policy, "--inline", "--write", str(written), "--json"]

    assert main(["replay", str(capture), *words]) == 0

    packets = json.loads(capsys.readouterr().out)["packets"]
    assert (packets["forwarded"], packets["dropped"]["policy_default"]) == (2, 1)
    assert written.stat().st_size == 24 + 2 * (16 + 49)


def test_settings_change_the_run(capsys, capture):
    settings = ["--set", "burst_size=1", "--set", "session_capacity=64", "--checksums", "ignore"]

    assert main(["replay", str(capture), *settings, "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["packets"]["received"] == 3


GATE = """
local log = require("stellar.log")
return { name = "gate", version = "1", config = {
    word = { type = "string", required = true }, port = { type = "integer", default = 53 } },
configure = function(config)
    for key, value in pairs(config) do log.info(key .. "=" .. value) end
    assert(config.word == "a=b.c" and config.port == 80)
end, on = { session_opening = function() end } }"""


@pytest.fixture
def gate(tmp_path):
    path = tmp_path / "my_gate.lua"
    path.write_text(GATE)
    return path


@pytest.mark.parametrize("plugin", ["gate", "my_gate"])
def test_settings_of_a_plugin_go_by_its_name_or_its_files(capsys, capture, gate, plugin):
    settings = ["--set", f"{plugin}.word=a=b.c", "--set", f"{plugin}.port=80"]

    assert main(["replay", str(capture), "--plugin", str(gate), *settings]) == 0


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("gate.colour=red", r"my_gate.lua: config.colour: expected a declared key \(port, word\)"),
        (
            "gate.port=high",
            "my_gate.lua: config.port: expected a value of type integer, found high",
        ),
        (
            "gat.port=1",
            r"settings: expected the name of a plugin \(firewall, gate, my_gate\), found gat",
        ),
        ("firewall.x=1", "plugin firewall: takes no settings, found x"),
    ],
)
def test_wrong_setting_of_a_plugin_is_named(capsys, capture, gate, setting, line):
    words = ["--personality", "firewall", "--plugin", str(gate), "--set", "my_gate.word=a=b.c"]
    words += ["--set", "my_gate.port=80"] * (setting != "gate.port=high")

    assert main(["replay", str(capture), *words, "--set", setting]) == 1

    assert re.search(line, capsys.readouterr().err)


def test_settings_of_two_plugins_of_one_name_are_refused(capsys, capture, gate, tmp_path):
    other = tmp_path / "gate.lua"
    other.write_text(
        'return { name = "other", version = "1", on = { timer = nil,'
        ' session_opening = function() end }, config = { word = { type = "string" },'
        ' port = { type = "integer" } } }'
    )
    words = ["--plugin", str(gate), "--plugin", str(other), "--set", "gate.word=a=b.c"]

    assert main(["replay", str(capture), *words, "--set", "gate.port=80"]) == 1

    assert capsys.readouterr().err.endswith("found gate, two of them\n")


def test_cut_capture_is_code_1_and_what_came_before_is_counted(capsys, capture):
    capture.write_bytes(capture.read_bytes()[:-5])

    assert main(["replay", str(capture), "--json"]) == 1

    output = capsys.readouterr()
    assert json.loads(output.out)["packets"]["received"] == 2
    assert str(capture) in output.err and output.err.count("\n") == 1


def test_capture_that_is_none_does_not_stop_the_others(capsys, capture, tmp_path):
    other = tmp_path / "other.pcap"
    other.write_text("no capture")

    assert main(["replay", str(other), str(capture), "--json"]) == 1

    output = capsys.readouterr()
    assert json.loads(output.out)["packets"]["received"] == 3
    assert output.err.startswith(f"{other}: ") and output.err.count("\n") == 1


def test_rejected_policy_is_code_3(capsys, capture, policy, tmp_path):
    (tmp_path / "vars.yml").write_text("dns_port: 99999\n")

    assert main(["replay", str(capture), "--policy", *policy]) == 3

    assert capsys.readouterr().err.startswith(f"{policy[0]}:5: expected a port")


def test_absent_plugin_is_code_1(capsys, capture):
    assert main(["replay", str(capture), "--plugin", "/absent.so"]) == 1

    assert capsys.readouterr().err == "/absent.so: expected a plugin, found no such file\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--rules", "x.rules"], "--rules: not in this version"),
        (["--workers", "0"], "--workers: expected 1 to 64, found 0"),
        (["--workers", "65"], "--workers: expected 1 to 64, found 65"),
        (["--personality", "ids"], "--personality ids: not in this version"),
        (["--personality", "router"], "--personality: expected firewall, found 'router'"),
        (["--vars", "v.yml"], "--vars: expected --policy with it, found none"),
        (["--set", "speed=9"], "--set: expected one of burst_size, session_capacity"),
        (["--set", "burst_size=65"], "--set burst_size: expected a number from 1 to 64"),
        (["--set", "burst_size"], "--set burst_size: expected a number from 1 to 64, found ''"),
        (["--set", "gate.word"], "--set: expected PLUGIN.KEY=VALUE, found 'gate.word'"),
        (["--set", ".word=a"], "--set: expected PLUGIN.KEY=VALUE, found '.word=a'"),
        (["--set", "a.b=1", "--set", "a.b=1"], "--set a.b: expected a setting once"),
        (["--event-types", "flow,noise"], "--event-types: expected some of flow, drop"),
        (["--stats", "-", "--events", "-"], "--stats and --events: expected one of them"),
        (["--write", "o.pcap", "more.pcap"], "--write: expected one capture to read, found 2"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(capsys, capture, words, line):
    assert main(["replay", str(capture), *words]) == 2

    errors = capsys.readouterr().err
    assert errors.startswith(line) and errors.count("\n") == 1
