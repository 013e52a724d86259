# SPDX-License-Identifier: Apache-2.0
"""One owner at a time, whatever an earlier owner left behind."""

import os

import pytest

from stellar.control.pid_file import AlreadyRunning, PidFile


def test_owner_writes_its_process_id(tmp_path):
    taken = PidFile(tmp_path / "run" / "stellar.pid")
    taken.write()

    assert taken.path.read_text() == f"{os.getpid()}\n"
    taken.remove()
    assert not taken.path.exists()


def test_second_owner_is_refused_with_the_first_ones_id(tmp_path):
    first = PidFile(tmp_path / "stellar.pid")
    first.write()

    with pytest.raises(AlreadyRunning, match=f"already running, process {os.getpid()}$"):
        PidFile(tmp_path / "stellar.pid")
    first.remove()


def test_file_of_a_dead_owner_is_taken_over(tmp_path):
    path = tmp_path / "stellar.pid"
    path.write_text("999999\n")

    taken = PidFile(path)
    taken.write()

    assert path.read_text() == f"{os.getpid()}\n"
    taken.remove()


def test_forked_daemon_keeps_the_lock(tmp_path):
    path = tmp_path / "stellar.pid"
    taken = PidFile(path)
    end_read, end_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end_write)
        os.read(end_read, 1)
        os._exit(0)
    taken.close()

    with pytest.raises(AlreadyRunning):
        PidFile(path)

    os.close(end_write)
    os.waitpid(child, 0)
    os.close(end_read)
    PidFile(path).remove()
