# SPDX-License-Identifier: Apache-2.0
"""`stellar plugin new`, `check`, `test`, `path`: what they write, say and refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stellar.cli.main import main
from stellar.engine.plugins import LIBRARY, PKG_CONFIG_PATH

EXAMPLES = LIBRARY.parents[1] / "plugins" / "examples"
TOOLS = Path(sys.executable).parent


def build(folder: Path) -> None:
    """As the README of a new plugin says."""
    environment = os.environ | {
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "PKG_CONFIG_PATH": str(PKG_CONFIG_PATH),
    }
    for command in (["meson", "setup", "build"], ["meson", "compile", "-C", "build"]):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def greeter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["plugin", "new", "--lang", "lua", "greeter", "--into", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path / "greeter"


def test_new_lua_plugin_passes_its_test(greeter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plugin", "test", str(greeter)])

    assert code == 0
    assert capsys.readouterr().out == f"{greeter}/greeter.scenario.yml: passed, 4 runs\n"


def test_new_c_plugin_builds_and_passes_its_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "new", "--lang", "c", "counter", "--into", str(tmp_path)]) == 0
    folder = tmp_path / "counter"
    build(folder)

    assert main(["plugin", "check", str(folder / "build" / "counter.so")]) == 0
    assert main(["plugin", "test", str(folder)]) == 0
    assert "counter.scenario.yml: passed, 4 runs" in capsys.readouterr().out
    assert not [path for path in folder.glob("*.*") if "new_plugin" in path.read_text()]


def test_new_plugin_takes_its_setting(greeter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = greeter / "greeter.scenario.yml"
    text = scenario.read_text().replace(
        "[greeter.lua]", "[{path: greeter.lua, settings: {blocked_port: 80}}]"
    )
    scenario.write_text(text)

    assert main(["plugin", "test", str(greeter)]) == 1
    assert "+ greeter: port 80, packets: 1" in capsys.readouterr().out


def test_nothing_is_written_over(greeter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (greeter / "greeter.lua").read_bytes()

    code = main(["plugin", "new", "--lang", "c", "greeter", "--into", str(greeter.parent)])

    assert code == 1
    assert capsys.readouterr().err == f"{greeter}: expected nothing there, found it exists\n"
    assert [path.name for path in sorted(greeter.iterdir())] == [
        "README.md", "greeter.lua", "greeter.scenario.yml",
    ]  # fmt: skip
    assert (greeter / "greeter.lua").read_bytes() == before


@pytest.mark.parametrize("name", ["Greeter", "1st", "a-b", "../x", "", "a" * 64])
def test_name_must_be_one_of_a_plugin(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["plugin", "new", "--lang", "lua", name, "--into", str(tmp_path)])

    assert code == 2
    assert "NAME: expected a name of a-z, 0-9 and _" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_language_must_be_one_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plugin", "new", "--lang", "go", "x", "--into", str(tmp_path)])

    assert caught.value.code == 2


def test_check_says_what_a_plugin_declares(
    greeter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(greeter / "greeter.lua"), str(EXAMPLES / "session_logger.so")]

    assert main(["plugin", "check", *files]) == 0
    assert capsys.readouterr().out == (
        f"{files[0]}: greeter 1, a valid plugin\n"
        "  events:        session_opening, session_packet, session_closing\n"
        "  context:       4 bytes a session\n"
        "  settings:      blocked_port (integer = 23)\n"
        "  when it fails: pass (open)\n"
        f"{files[1]}: session_logger 1, a valid plugin\n"
        "  events:        session_opening, session_packet, session_closing\n"
        "  context:       4 bytes a session\n"
        "  when it fails: pass (open)\n"
    )


def test_check_as_json_has_every_field(greeter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "check", "--json", str(greeter / "greeter.lua")]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert (answer["accepted"], answer["errors"]) == (True, [])
    assert set(answer["plugins"][0]) == {
        "file", "language", "name", "version", "abi_version", "events", "before", "after", "raises",
        "hears", "settings", "context_bytes", "context_persistent_bytes", "fail", "tick_ms",
    }  # fmt: skip
    assert answer["plugins"][0]["settings"] == [
        {"name": "blocked_port", "type": "integer", "default": "23", "required": False}
    ]


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("a.lua", "return {", "a.lua:1:"),
        (
            "a.lua",
            "return { name = 'a', version = '1', on = {} }",
            "on: expected at least one event",
        ),
        ("a.lua", "return { name = 'A', version = '1', on = {} }", "name: expected a name of a-z"),
        ("a.lua", "io.open('x')", "a.lua:1:"),
        ("a.so", "no library", "a.so:"),
        ("a.txt", "", "expected a plugin ending in .so or .lua"),
        ("none.lua", None, "expected a plugin, found no such file"),
    ],
)
def test_check_refuses_what_is_no_plugin(
    file: str, text: str | None, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / file).write_text(text)

    code = main(["plugin", "check", str(tmp_path / file)])

    assert code == 1
    assert expected in capsys.readouterr().err


def test_check_takes_settings_and_judges_them(
    greeter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(greeter / "greeter.lua")

    assert main(["plugin", "check", file, "--set", "blocked_port=80"]) == 0
    assert main(["plugin", "check", file, "--set", "blocked_port=0"]) == 1
    assert "config.blocked_port: expected 1 to 65535, found 0" in capsys.readouterr().err
    assert main(["plugin", "check", file, "--set", "blocked_port"]) == 2


def test_failed_test_shows_expected_and_found(
    greeter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = greeter / "greeter.lua"
    plugin.write_text(plugin.read_text().replace("packets + 1", "packets + 2"))

    assert main(["plugin", "test", str(greeter)]) == 1
    found = capsys.readouterr()
    assert found.out == (
        f"{greeter}/greeter.scenario.yml: failed, 4 of 4 runs\n"
        "  with burst 1, 1 worker; burst 64, 1 worker; burst 1, 2 workers; burst 64, 2 workers:\n"
        "    log: (- expected, + found)\n"
        "    - greeter: port 80, packets: 8\n"
        "    + greeter: port 80, packets: 16\n"
        "    - greeter: port 23, packets: 1\n"
        "    + greeter: port 23, packets: 2\n"
    )
    assert found.err == "1 of 1 scenarios failed\n"


def test_results_as_json_name_each_run(greeter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "test", "--json", str(greeter)]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["passed"] is True
    assert [(run["burst"], run["workers"], run["passed"]) for run in answer["runs"]] == [
        (1, 1, True), (64, 1, True), (1, 2, True), (64, 2, True),
    ]  # fmt: skip


def test_failing_handler_is_told_with_its_line(
    greeter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = greeter / "greeter.lua"
    plugin.write_text(plugin.read_text().replace("blocked:add()", "blocked:shout()"))

    assert main(["plugin", "test", str(greeter)]) == 1
    assert f"the run: expected no problem, found {plugin}:" in capsys.readouterr().out


def test_another_plugin_may_take_the_place(
    greeter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.lua"
    other.write_text(
        (greeter / "greeter.lua").read_text().replace('name = "greeter"', 'name = "b"')
    )

    assert main(["plugin", "test", str(greeter), "--plugin", str(other)]) == 1
    assert "+ b: port 80, packets: 8" in capsys.readouterr().out


def test_capture_and_events_are_kept_when_asked(greeter: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"

    assert main(["plugin", "test", str(greeter), "--keep", str(kept)]) == 0
    assert (kept / "greeter.scenario-64-1" / "capture.in.pcap").stat().st_size > 24
    assert len((kept / "greeter.scenario-64-1" / "eve.json").read_bytes().splitlines()) > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "expected *.scenario.yml, found none"),
        ("packets: [dance]", "a.scenario.yml:1: expected a step"),
        ("packets: [pulse]", "expected plugins under run, or --plugin, found neither"),
        (
            "packets: [pulse]\nrun: {plugins: [], engine: {limits: {no: 1}}}",
            "limits: expected names",
        ),
    ],
)
def test_wrong_use_of_test_is_told(
    text: str | None, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "a.scenario.yml").write_text(text)

    assert main(["plugin", "test", str(tmp_path)]) == 2
    assert expected in capsys.readouterr().err


def test_scenario_may_bring_a_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(
        "personality: firewall\n"
        "zones: {inside: {networks: [192.0.2.0/24]}, outside: {}}\n"
        "services: {web: [{protocol: tcp, ports: [80]}]}\n"
        "rules:\n"
        "  - {name: allow-web, from: inside, to: outside, service: [web], action: allow}\n"
        "default: drop\n"
    )
    (tmp_path / "a.scenario.yml").write_text(
        "packets:\n"
        "  - open: tcp client > server:80\n"
        "  - open: tcp client > server:81\n"
        "run: {plugins: [], policy: policy.yml}\n"
        "expect: {written: 3}\n"
    )

    assert main(["plugin", "test", str(tmp_path)]) == 0


def test_path_is_where_pkg_config_finds_stellar(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "path"]) == 0

    found = subprocess.run(
        ["pkg-config", "--cflags", "--modversion", "stellar"],
        env=os.environ | {"PKG_CONFIG_PATH": capsys.readouterr().out.strip()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines()[0] == "0.1.0"
