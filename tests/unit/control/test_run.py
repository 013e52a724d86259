# SPDX-License-Identifier: Apache-2.0
"""`stellar run` in the foreground and in the background, with children that are scripts."""

import os
import select
import signal
import subprocess
import sys

import pytest

LIMIT_SEC = 20

# `stellar run` with a child that is not the engine.
PROGRAM = """
import sys
from stellar.control import run as control_run
from stellar.control.supervisor import Child

async def is_ready():
    return {is_ready}

engine = Child("engine", (sys.executable, "-c", {engine!r}), is_ready)
control_run.appliance_children = lambda config, path, engine_arguments: (engine,)
sys.argv[0] = "stellar"
from stellar.cli.main import main
sys.exit(main())
"""
LIVES = "import signal; signal.pause()"
FAILS = "import sys; sys.exit('stellar.yml:9: expected this, found that')"


@pytest.fixture
def stellar_run(tmp_path, config_text):
    path = tmp_path / "stellar.yml"
    path.write_text(config_text)

    def start(*words, engine=LIVES, is_ready=True):
        program = PROGRAM.format(engine=engine, is_ready=is_ready)
        command = [sys.executable, "-P", "-c", program, "run", "--config", str(path), *words]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    return start


def finish(process):
    _, errors = process.communicate(timeout=LIMIT_SEC)
    return process.returncode, errors


def stop(pid):
    """SIGTERM a daemon and wait for its end."""
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM)
    ended, _, _ = select.select([handle], [], [], LIMIT_SEC)
    os.close(handle)
    assert ended, "the daemon did not end"


def test_daemon_goes_on_behind_and_ends_by_a_signal(stellar_run, config, tmp_path):
    extra = tmp_path / "extra.pid"
    code, errors = finish(stellar_run("--daemon", "--pid-file", str(extra)))
    pid_file = config.runtime_directory / "stellar.pid"
    pid = int(pid_file.read_text())

    assert (code, errors) == (0, "")
    assert int(extra.read_text()) == pid
    stop(pid)
    assert not pid_file.exists() and not extra.exists()
    log = (config.events.path.parent / "stellar.log").read_text()
    assert "event=ready" in log and "event=stopped child=engine" in log


def test_second_run_is_refused_while_the_first_goes_on(stellar_run, config):
    finish(stellar_run("--daemon"))
    pid_file = config.runtime_directory / "stellar.pid"
    pid = int(pid_file.read_text())

    second = finish(stellar_run("--daemon"))
    third = finish(stellar_run())
    stop(pid)

    assert second == (1, f"{pid_file}: already running, process {pid}\n")
    assert third == second


def test_failed_start_of_a_daemon_shows_why(stellar_run, config):
    code, errors = finish(stellar_run("--daemon", engine=FAILS, is_ready=False))

    assert (code, errors) == (1, "stellar.yml:9: expected this, found that\n")
    assert not (config.runtime_directory / "stellar.pid").exists()


def test_foreground_logs_to_the_terminal_and_ends_by_a_signal(stellar_run):
    process = stellar_run()
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "event=ready" in line:
            process.terminate()
    code, _ = finish(process)

    assert code == 0
    assert "event=stopped child=engine" in lines[-1]
    assert all(line.startswith("time=") for line in lines)


def test_wrong_configuration_starts_nothing(stellar_run, tmp_path):
    (tmp_path / "stellar.yml").write_text("personality: router\n")

    code, errors = finish(stellar_run("--daemon"))

    assert code == 2
    assert errors.startswith(f"{tmp_path}/stellar.yml:1: ")
