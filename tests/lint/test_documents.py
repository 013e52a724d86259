# SPDX-License-Identifier: Apache-2.0
"""The documents stay true: verbs, paths and commands that they name exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap
from sources import ROOT, files, project_files, text

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "tests/README.md")
VERBS = {
    "build", "deploy", "verify", "undeploy", "test", "test-sanitize", "mutation", "lint", "format",
    "bench", "image", "test-image", "clean", "help",
}  # fmt: skip


POLICY = """\
personality: firewall
zones:
  inside: {networks: [192.0.2.0/24]}
  outside: {}
services: {dns: [{protocol: udp, ports: [53]}]}
rules:
  - {name: allow-dns, from: inside, to: outside, service: [dns], action: allow}
default: drop
"""


def readme_commands() -> list[str]:
    """The program's command lines in the README's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", text("README.md"), re.S)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(".venv/bin/stellar")]


def targets() -> set[str]:
    phony = text("Makefile").split(".PHONY:")[1].split("\n\n")[0].replace("\\\n", " ")
    return set(phony.split())


def test_the_makefile_has_exactly_the_promised_verbs() -> None:
    assert targets() == VERBS


def test_documents_name_only_verbs_that_exist() -> None:
    named = {verb for name in DOCUMENTS for verb in re.findall(r"`?make ([a-z-]+)`?", text(name))}

    assert {verb for verb in named if verb in VERBS} >= {"build", "test", "deploy", "verify"}
    assert not [
        verb
        for name in DOCUMENTS
        for verb in re.findall(r"`make ([a-z-]+)[^`]*`", text(name))
        if verb not in VERBS
    ]


def test_documents_name_only_paths_that_exist() -> None:
    tops = {name.split("/")[0] for name in project_files() if "/" in name}
    known = set(project_files()) | {
        "/".join(name.split("/")[:depth]) + "/"
        for name in project_files()
        for depth in range(1, name.count("/") + 1)
    }

    missing = [
        f"{name}: {path}"
        for name in DOCUMENTS
        for path in re.findall(r"`([\w.]+/[\w./-]*)`", text(name))
        if "NAME" not in path
        and path.split("/")[0] in tops
        and path not in known
        and path.rstrip("/") + "/" not in known
    ]

    assert not missing, "\n".join(missing)


def test_architecture_is_three_pages_at_most() -> None:
    assert len(text("ARCHITECTURE.md").splitlines()) <= 180


@pytest.mark.parametrize("verb", ["image", "test-image"])
def test_verbs_to_come_are_refused_in_one_line(verb: str) -> None:
    done = subprocess.run(["make", "-s", verb], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 2
    assert f"stellar: make {verb} comes with the appliance image work" in done.stderr


@pytest.mark.parametrize("command", readme_commands())
def test_readme_command_runs(command: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(command)
    datagram = Ether() / IP(src="192.0.2.1", dst="198.51.100.53") / UDP(sport=4000, dport=53)
    wrpcap(str(tmp_path / "capture.pcap"), [datagram])
    (tmp_path / "policy.yml").write_text(POLICY)
    (tmp_path / "native").symlink_to(ROOT / "native")

    done = subprocess.run(
        [Path(sys.executable).with_name(Path(program).name), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_change_fragments_have_a_known_kind() -> None:
    kinds = (".feature.md", ".fix.md", ".change.md", ".removal.md", "README.md")

    assert not [name for name in files(".md", under="changes/") if not name.endswith(kinds)]
