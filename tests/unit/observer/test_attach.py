# SPDX-License-Identifier: Apache-2.0
"""An observer attached to a running engine: rings come with the connection and go with it."""

import threading
from pathlib import Path

import pytest

from stellar.engine import Engine
from stellar.engine.calls import Calls
from stellar.engine.config import parse_config
from stellar.engine.reload import Plugins
from stellar.engine.server import CallServer
from stellar.observer import Attachment, ObserverError, attach

CONFIG = """\
personality: firewall
policy: /nowhere
runtime_directory: {directory}
interfaces: [{{name: a, device: "memory:a"}}]
taps: [{{interface: a}}]
"""


@pytest.fixture
def running(tmp_path: Path):
    """An engine that answers on its socket, and no worker."""
    engine = Engine(workers=3)
    engine.start()
    config = parse_config(CONFIG.format(directory=tmp_path), "stellar.yml")
    server = CallServer(config.engine_socket, Calls(engine, Plugins(engine, 3), config))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield config.engine_socket, engine, server
    server.stop()
    thread.join()


def test_rings_of_all_workers_end_with_the_engine(running):
    path, engine, server = running
    source = attach(path, ["session_opening"], capacity=16)

    engine.close()

    assert isinstance(source, Attachment)
    assert [len(records) for records in source] == []
    assert source.lost == 0


def test_place_is_free_again_when_the_observer_is_gone(running):
    path, _, _ = running

    for _ in range(20):  # 8 have room at once
        attach(path, capacity=16).close()

    assert isinstance(attach(path, capacity=16), Attachment)


def test_one_too_many_and_wrong_ones_are_refused(running):
    path, _, _ = running
    kept = [attach(path, capacity=16) for _ in range(8)]

    with pytest.raises(ObserverError, match="No space left"):
        attach(path, capacity=16)
    with pytest.raises(ObserverError, match="expected a power of two, found 5"):
        attach(path, capacity=5)
    with pytest.raises(ObserverError, match="expected some of session_opening, .* found 'timer'"):
        attach(path, ["timer"])
    with pytest.raises(ObserverError, match="expected a running engine"):
        attach(path.with_name("nobody.sock"))
    assert len(kept) == 8
