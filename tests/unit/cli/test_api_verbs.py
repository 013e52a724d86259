# SPDX-License-Identifier: Apache-2.0
"""The commands that ask the control daemon, with a real daemon and an engine that is a script."""

import asyncio
import json

import pytest

from stellar.cli.main import main
from stellar.control.api import Api, listen
from stellar.control.apply import PolicyKeeper
from stellar.control.engine_client import EngineClient

RECORD = {
    "id": 7,
    "start_ns": 1_000_000_000,
    "last_ns": 2_000_000_000,
    "packets": {"forward": 3, "reverse": 2},
    "bytes": {"forward": 300, "reverse": 2048},
    "originator": {"address": "192.0.2.1", "port": 40000},
    "responder": {"address": "2001:db8::10", "port": 80},
    "tag": 0,
    "generation": 1,
    "rule_id": 1,
    "ingress": "inside",
    "egress": "outside",
    "protocol": 6,
    "state": "active",
    "tcp_state": "established",
    "blocked": False,
    "parent_id": 5,
}


@pytest.fixture
def command(config, fake_engine, capsys):
    """Runs commands one after the other beside the daemon; gives code, out, err of the last."""

    def run(*commands, engine_runs=True):
        async def beside_daemon():
            engine = EngineClient(config.engine_socket, timeout_sec=5)
            application = Api(engine, PolicyKeeper(config, engine)).application()
            runner = await listen(application, config.api_socket)
            try:
                for words in commands:
                    capsys.readouterr()
                    code = await asyncio.to_thread(
                        main, [*words, "--socket", str(config.api_socket)]
                    )
            finally:
                await runner.cleanup()
            return code

        async def beside_engine():
            async with fake_engine.running():
                return await beside_daemon()

        code = asyncio.run(beside_engine() if engine_runs else beside_daemon())
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def policy(tmp_path, policy_text):
    path = tmp_path / "web.yml"
    path.write_text(policy_text)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["stats"],
        ["session", "list"],
        ["session", "show", "1"],
        ["plugin", "list"],
        ["policy", "show"],
    ],
)
def test_absent_daemon_is_one_line_and_code_1(capsys, tmp_path, words):
    code = main([*words, "--socket", str(tmp_path / "api.sock")])

    assert code == 1
    expected = f"{tmp_path}/api.sock: expected a control daemon, found none\n"
    assert capsys.readouterr().err == expected


def test_absent_engine_is_one_line_and_code_1(command):
    code, out, err = command(["stats"], engine_runs=False)

    assert (code, out) == (1, "")
    assert err.startswith("the engine is not running") and err.count("\n") == 1


def test_stats_show_counters_and_the_reasons_that_happened(command):
    code, out, _ = command(["stats"])

    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["received", "10"] in lines
    assert ["policy_rule", "3"] in lines
    assert "malformed" not in out


def test_stats_are_json_when_asked(command):
    _, out, _ = command(["stats", "--json"])

    assert json.loads(out)["packets"]["dropped"] == {"policy_rule": 3, "malformed": 0}


def test_sessions_are_a_table(command, fake_engine):
    fake_engine.answers["sessions"] = lambda request: {"ok": True, "sessions": [RECORD]}

    code, out, err = command(["session", "list"])

    headings, row = out.splitlines()
    assert code == 0 and err == ""
    assert headings.split() == (
        "ID PARENT PROTO ORIGINATOR RESPONDER STATE TCP PACKETS BYTES AGE RULE".split()
    )
    assert row.split()[:9] == [
        "7", "5", "tcp", "192.0.2.1:40000", "[2001:db8::10]:80", "active", "established", "3/2",
        "300B/2.0KiB",
    ]  # fmt: skip


def test_more_sessions_than_the_limit_are_announced(command, fake_engine):
    records = [RECORD, {**RECORD, "id": 8}]
    fake_engine.answers["sessions"] = lambda request: {"ok": True, "sessions": records}

    _, out, err = command(["session", "list", "--limit", "1"])
    _, rest, end = command(["session", "list", "--limit", "1", "--cursor", "~1"])

    assert out.splitlines()[1].split()[0] == "7"
    assert err == "there are more: --cursor '~1'\n"
    assert rest.splitlines()[1].split()[0] == "8"
    assert end == ""


def test_wrong_filter_is_code_2(command):
    code, _, err = command(["session", "list", "--protocol", "tpc"])

    assert code == 2
    assert err.startswith("protocol: expected icmp, ") and err.count("\n") == 1


def test_session_is_shown_with_its_verdict(command, fake_engine, policy):
    fake_engine.answers["sessions"] = lambda request: {"ok": True, "sessions": [RECORD]}

    code, out, _ = command(["policy", "apply", str(policy)], ["session", "show", "7"])

    assert code == 0
    assert "state:         active (tcp established)" in out
    assert "parent:        5\n" in out
    assert "verdict:       allowed by rule 1 (allow-web) of policy generation 1" in out


def test_absent_session_is_code_1(command, fake_engine):
    fake_engine.answers["sessions"] = lambda request: {"ok": True, "sessions": []}

    assert command(["session", "show", "9"])[::2] == (1, "no session 9 in the table\n")


def test_policy_is_applied_and_shown(command, policy, policy_text):
    applied = command(["policy", "apply", str(policy)])
    shown = command(["policy", "show"])

    assert applied == (0, f"{policy}: in force as generation 1\n", "")
    assert shown[1].startswith(f"# generation 1, {policy}, applied at 20")
    assert shown[1].endswith(policy_text)


def test_policy_show_gives_json_with_the_text(command, policy, policy_text):
    _, out, _ = command(["policy", "apply", str(policy)], ["policy", "show", "--json"])

    assert json.loads(out)["text"] == policy_text


def test_no_policy_in_force_is_said(command):
    assert command(["policy", "show"]) == (0, "# no policy is in force: none was applied\n", "")


def test_policy_for_other_interfaces_is_code_3(command, policy, policy_text):
    policy.write_text(policy_text.replace("interfaces: [outside]", "interfaces: [dmz]"))

    code, _, err = command(["policy", "apply", str(policy)])

    assert code == 3
    assert err.startswith(f"{policy}:5: expected ") and "dmz" in err


def test_policy_that_the_engine_refuses_is_code_1(command, fake_engine, policy):
    fake_engine.answers["policy_apply"] = lambda request: {"ok": False, "error": "no room"}

    code, _, err = command(["policy", "apply", str(policy)])

    assert (code, err) == (1, f"{policy}: the engine refused it: no room\n")


def test_plugins_and_interfaces_are_tables(command):
    _, plugins, _ = command(["plugin", "list"])
    _, interfaces, _ = command(["interface", "list"])

    assert plugins.splitlines()[1].split()[:4] == ["firewall", "1", "yes", "9"]
    assert plugins.splitlines()[0].split()[4:8] == ["NS/CALL", "ERRORS", "CONTEXTS", "MEMORY"]
    assert interfaces.splitlines()[1].split()[:4] == ["inside", "-", "10", "900"]


def test_time_and_memory_of_plugins_are_figures_for_people(command, fake_engine):
    row = {"name": "a", "nanoseconds_per_call": 41.3, "memory_bytes": 2048, "enabled": False}
    fake_engine.answers["plugins"] = lambda request: {"ok": True, "plugins": [row]}

    _, output, _ = command(["plugin", "list"])

    assert output.splitlines()[1].split() == [
        "a",
        "-",
        "no",
        "-",
        "41",
        "-",
        "-",
        "2.0KiB",
        "-",
        "-",
        "-",
        "-",
        "-",
        "-",
    ]


def test_reload_says_which_version_is_in_force(command, fake_engine, tmp_path):
    asked = []

    def answer(request):
        asked.append((request["name"], request["path"]))
        return {
            "ok": True, "name": "a", "version": "2", "version_before": "1", "path": "/a.so",
            "reloads": 1, "versions": 2, "contexts": 5, "old_contexts": 3,
        }  # fmt: skip

    fake_engine.answers["plugin_reload"] = answer

    assert command(["plugin", "reload", "a"]) == (
        0,
        "a: version 2 is in force, after 1; 3 sessions have an older one\n",
        "",
    )
    code, output, _ = command(["plugin", "reload", "a", "--path", str(tmp_path / "b.so"), "--json"])
    assert (code, json.loads(output)["versions"]) == (0, 2)
    assert asked == [("a", None), ("a", str(tmp_path / "b.so"))]


def test_refused_reload_is_the_engines_line(command, fake_engine):
    fake_engine.answers["plugin_reload"] = lambda request: {
        "ok": False,
        "error": "plugin: expected one of b, found a/b",
        "errno": 2,
    }

    code, _, error = command(["plugin", "reload", "a/b"])

    assert (code, error) == (1, "plugin: expected one of b, found a/b\n")
