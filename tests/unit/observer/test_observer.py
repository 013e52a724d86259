# SPDX-License-Identifier: Apache-2.0
"""Observers get what the engine raises; the library yields EVE events."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

import stellar
from stellar.cli.main import main
from stellar.engine import Engine, StellarError
from stellar.observer import RECORD

PACKAGE = Path(stellar.__file__).parent
SESSIONS = 300

OBSERVER = """
import json
import numpy as np
EVENTS = ("session_opening", "session_closing", "udp_data")
CAPACITY = {capacity}
kept = []
def observe(records):
    kept.append(records)
def end(lost):
    records = np.concatenate(kept).view(np.recarray)
    closed = records[records.event == records.event.max()]
    with open({output!r}, "w") as file:
        json.dump({{"lost": lost, "events": len(records), "closed": {{
            str(each.session_id): [*each.packets.tolist(), *each.bytes.tolist(),
                                   int(each.originator_port)] for each in closed}}}}, file)
"""


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Many short UDP sessions and one of TCP."""
    path = tmp_path / "sessions.pcap"
    there, back = IP(src="192.0.2.1", dst="192.0.2.2"), IP(src="192.0.2.2", dst="192.0.2.1")
    packets = [
        Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        / there
        / TCP(sport=1, dport=80, flags="S")
    ]
    for port in range(1, SESSIONS + 1):
        packets.append(
            Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
            / there
            / UDP(sport=port, dport=53)
            / b"question"
        )
        packets.append(
            Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
            / back
            / UDP(sport=53, dport=port)
            / b"answer!"
        )
    for number, packet in enumerate(packets):
        packet.time = 1_700_000_000 + number * 0.001
    wrpcap(str(path), packets)
    return path


def observed(tmp_path: Path, capture: Path, *words: str, capacity: int = 65536) -> dict:
    program, output = tmp_path / "observer.py", tmp_path / "observed.json"
    program.write_text(OBSERVER.format(capacity=capacity, output=str(output)))
    assert main(["replay", str(capture), "--observer", str(program), *words]) == 0
    return json.loads(output.read_text())


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("capacity", [4, 65536])
def test_observer_gets_every_session_that_eve_has(tmp_path, capture, workers, capacity, capsys):
    events = tmp_path / "eve.json"

    found = observed(
        tmp_path, capture, "--workers", workers, "--events", str(events), capacity=capacity
    )

    lines = [json.loads(line) for line in events.read_text().splitlines()]
    expected = {
        str(each["flow_id"]): [
            each["flow"]["pkts_toserver"], each["flow"]["pkts_toclient"],
            each["flow"]["bytes_toserver"], each["flow"]["bytes_toclient"], each["src_port"],
        ]
        for each in lines
        if each["event_type"] == "flow"
    }  # fmt: skip
    assert len(expected) == SESSIONS + 1
    assert found["closed"] == expected
    assert found["lost"] == 0
    assert found["events"] == 2 * (SESSIONS + 1) + 2 * SESSIONS


def test_observer_changes_no_event(tmp_path, capture, capsys):
    plain, watched = tmp_path / "plain.json", tmp_path / "watched.json"
    main(["replay", str(capture), "--events", str(plain)])

    observed(tmp_path, capture, "--events", str(watched))

    assert watched.read_bytes() == plain.read_bytes()


def test_observer_that_dies_is_said_and_holds_nothing_up(tmp_path, capture, capsys):
    program = tmp_path / "dies.py"
    program.write_text("import os\nCAPACITY = 4\ndef observe(records):\n    os._exit(3)\n")

    code = main(["replay", str(capture), "--observer", str(program)])

    assert code == 1
    assert "dies.py: the observer failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a function observe(records), found none"),
        ("EVENTS = 'session_closing'\ndef observe(records): pass", "expected names of events"),
        ("EVENTS = ('nonsense',)\ndef observe(records): pass", "nonsense"),
        ("EVENTS = ('timer',)\ndef observe(records): pass", "timer"),
        ("CAPACITY = 3\ndef observe(records): pass", "expected a power of two, found 3"),
    ],
)
def test_wrong_observer_is_refused(tmp_path, capture, capfd, text, expected):
    program = tmp_path / "wrong.py"
    program.write_text(text)

    code = main(["replay", str(capture), "--observer", str(program)])

    assert code == 1
    assert expected in capfd.readouterr().err


def test_record_is_the_one_of_the_header(tmp_path: Path) -> None:
    source, program = tmp_path / "offsets.c", tmp_path / "offsets"
    lines = "".join(
        f'\tprintf("{name} %zu\\n", offsetof(struct observer_record, {name}));\n'
        for name in RECORD.names
    )
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <stellar/observer.h>\n"
        f"int main(void)\n{{\n{lines}"
        '\tprintf("size %zu\\n", sizeof(struct observer_record));\n}\n'
    )
    subprocess.run(["gcc", f"-I{PACKAGE / 'include'}", str(source), "-o", str(program)], check=True)

    found = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout

    offsets = dict(line.split() for line in found.splitlines())
    assert {name: int(offsets[name]) for name in RECORD.names} == {
        name: RECORD.fields[name][1] for name in RECORD.names
    }
    assert int(offsets["size"]) == RECORD.itemsize


def test_library_yields_the_events_of_a_capture(tmp_path, capture, capsys):
    path = tmp_path / "eve.json"
    main(["replay", str(capture), "--events", str(path)])

    events = list(stellar.replay(capture))

    assert events == [json.loads(line) for line in path.read_text().splitlines()]


def test_library_stops_when_nobody_reads_on(capture):
    events = stellar.replay(capture, event_types=["flow"])

    assert next(events)["event_type"] == "flow"
    events.close()


def test_library_raises_what_was_refused(tmp_path, capture):
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:-3])
    events = stellar.replay(cut, event_types=["flow"])

    with pytest.raises(StellarError, match="cut.pcap"):
        for _ in range(SESSIONS + 2):
            next(events)
    with pytest.raises(StellarError, match="expected a plugin, found no such file"):
        list(stellar.replay(capture, plugins=["missing.so"]))


def test_import_of_the_package_loads_no_engine():
    program = "import sys, stellar; sys.exit('stellar._native' in sys.modules)"

    assert subprocess.run([sys.executable, "-P", "-c", program]).returncode == 0


def test_unknown_event_is_refused_by_the_engine():
    engine = Engine()
    engine.start()

    with pytest.raises(StellarError, match="there is no event nonsense"):
        engine.add_observer(["nonsense"], 4)
    assert np.dtype(RECORD).itemsize == 192
