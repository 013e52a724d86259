# SPDX-License-Identifier: Apache-2.0
"""Every way a command can end is a documented exit code and lines without a traceback."""

import importlib

import pytest

from stellar.cli import stats
from stellar.cli.main import VERBS, main


def run(capsys, *words):
    try:
        code = main(list(words))
    except SystemExit as end:
        code = end.code
    output = capsys.readouterr()
    return int(code or 0), output.out, output.err


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: "-".join(verb.words))
def test_verb_has_help_and_a_module_of_its_own(capsys, verb):
    code, out, _ = run(capsys, *verb.words, "--help")

    assert code == 0
    assert out.startswith(f"usage: stellar {' '.join(verb.words)}")
    assert importlib.import_module(verb.module).__doc__


def test_help_lists_every_verb(capsys):
    code, out, _ = run(capsys, "--help")

    assert code == 0
    assert all(f"stellar {' '.join(verb.words)} " in out for verb in VERBS)


def test_help_of_a_noun_lists_its_verbs_only(capsys):
    code, out, _ = run(capsys, "policy", "--help")

    assert code == 0
    assert "stellar policy check" in out and "stellar session" not in out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["polcy"], "stellar: expected one of run, "),
        (["policy", "diff"], "stellar policy: expected one of check, render, apply, show, schema"),
        (["policy", "check"], "stellar policy check: the following arguments are required: file"),
        (["session", "show", "x"], "stellar session show: argument id: invalid int value: 'x'"),
        (["stats", "--colour"], "stellar stats: unrecognized arguments: --colour"),
        (["run", "--daemon", "--foreground"], "stellar run: argument --foreground: not allowed"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(capsys, words, line):
    code, out, err = run(capsys, *words)

    assert (code, out) == (2, "")
    assert err.startswith(line) and err.count("\n") == 1


def test_no_words_show_the_commands_as_an_error(capsys):
    code, out, err = run(capsys)

    assert (code, out) == (2, "")
    assert "stellar policy apply" in err


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_version_is_printed(capsys, words):
    assert run(capsys, *words)[:2] == (0, "stellar 0.1.0\n")


def test_bug_is_one_line_unless_debugging(capsys, monkeypatch):
    def fail(arguments):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(stats, "run", fail)

    code, _, err = run(capsys, "stats")
    _, _, debugged = run(capsys, "stats", "--debug")

    assert code == 1
    assert err == "stellar: internal error: ZeroDivisionError: two lines (--debug shows where)\n"
    assert "Traceback" in debugged


def test_interrupt_is_no_traceback(capsys, monkeypatch):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(stats, "run", interrupt)

    assert run(capsys, "stats") == (1, "", "")


def test_absent_file_is_one_line(capsys, tmp_path):
    code, _, err = run(capsys, "policy", "check", str(tmp_path / "absent.yml"))

    assert (code, err) == (1, f"{tmp_path}/absent.yml: No such file or directory\n")


def test_wrong_configuration_is_code_2(capsys, tmp_path):
    path = tmp_path / "stellar.yml"
    path.write_text("personality: firewall\ncolour: red\n")

    code, _, err = run(capsys, "stats", "--config", str(path))

    assert code == 2
    assert f"{path}:2: expected one of the keys" in err
    assert all(line.startswith(f"{path}:") for line in err.splitlines())
