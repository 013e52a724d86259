# SPDX-License-Identifier: Apache-2.0
"""What a plugin in C that crashes or hangs takes with it, and how the appliance goes on."""

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

SOURCE = Path(__file__).with_name("fault.c")
LEAK_KIB = 64 << 10  # as fault.c says


@pytest.fixture(scope="module")
def fault(tmp_path_factory: pytest.TempPathFactory, compile_plugin) -> Path:
    """The plugin that obeys, as a shared object."""
    return compile_plugin(SOURCE, tmp_path_factory.mktemp("fault") / "fault.so")


@pytest.fixture
def faulty(machines, fault):
    """An appliance with that plugin, whose watchdog waits for half a second."""
    text = machines.config.read_text().replace("engine: {", "engine: {watchdog_ms: 500, ")
    machines.config.write_text(f"{text}plugins: [{fault}]\n")
    machines.start()
    return machines


def died(appliance) -> list[str]:
    """How each engine ended."""
    return re.findall(r"event=died child=engine pid=\d+ status=(\S+)", appliance.log.read_text())


def resident_kib(appliance) -> int:
    """Memory of the engine."""
    status = Path(f"/proc/{appliance.pids('engine')[-1]}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


@pytest.mark.parametrize(
    ("line", "status", "blame"),
    [
        ("fault segv", "SIGSEGV", "crashed"),
        ("fault stack", "SIGSEGV", "crashed"),
        ("fault free", "SIGABRT", "crashed"),
        ("fault hang", "exit_70", "did_not_return"),
    ],
)
def test_fault_costs_its_own_session_and_names_the_plugin(faulty, line, status, blame):
    bystander = faulty.connect(80)
    culprit = faulty.connect(80)
    before = faulty.call_engine("stats")["sessions"]["active"]

    culprit.send(line)
    faulty.wait_for_text(faulty.log, "engine=running", times=2)
    stats = faulty.call_engine("stats")

    assert died(faulty) == [status]
    assert f"plugin=fault fault={blame} count=1" in faulty.log.read_text()
    assert bystander.say("still there") == "still there"
    assert stats["sessions"]["resumed"] + stats["sessions"]["torn"] == before
    assert stats["sessions"]["torn"] == 1
    assert faulty.call_engine("plugins")["plugins"][-1]["enabled"]


def test_third_fault_disables_the_plugin_and_its_fail_action_holds(faulty):
    bystander = faulty.connect(80)

    for count in range(1, 4):
        # The session that had the fault is gone, and the segment is sent again: it is nobody's.
        faulty.connect(80).send("fault segv")
        faulty.wait_for_text(faulty.log, "engine=running", times=count + 1)
    last = faulty.connect(80)
    plugins = {each["name"]: each for each in faulty.call_engine("plugins")["plugins"]}

    assert died(faulty) == ["SIGSEGV"] * 3
    assert not plugins["fault"]["enabled"] and plugins["firewall"]["enabled"]
    assert "plugin=fault disabled=yes" in faulty.log.read_text()
    assert last.say("fault segv") == "fault segv"
    assert bystander.say("still there") == "still there"
    kept = json.loads((faulty.directory / "state" / "faults.json").read_text())
    assert [each["plugin"] for each in kept] == ["fault"] * 3


def test_leak_costs_memory_and_nothing_else(faulty):
    """Nobody takes it away from the plugin: the service's memory limit ends the engine one day."""
    culprit = faulty.connect(80)
    before = resident_kib(faulty)

    echoed = [culprit.say(line) for line in ("fault leak", "fault leak")]

    assert echoed == ["fault leak"] * 2
    assert resident_kib(faulty) - before >= 2 * LEAK_KIB
    assert died(faulty) == []


def test_killed_engine_is_nobodys_fault(faulty):
    faulty.connect(80)

    faulty.kill(faulty.pids("engine")[0], 9)
    faulty.wait_for_text(faulty.log, "engine=running", times=2)

    assert "fault=" not in faulty.log.read_text()
    assert not (faulty.directory / "state" / "faults.json").exists()
