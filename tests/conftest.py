# SPDX-License-Identifier: Apache-2.0
"""What every test shares: skips by missing capability, and in CI no skip that nobody accepted."""

import fnmatch
import os
import subprocess
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).parents[1]
ACCEPTED_SKIPS = ROOT / "tests" / "accepted_skips.txt"


@cache
def missing_capability(marker: str) -> str:
    """Why a test with this marker can't run here, or nothing."""
    if marker == "root":
        if os.geteuid() != 0:
            return "needs root"
        if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
            return "needs network namespaces"
    if marker == "dpdk":
        if subprocess.run(["pkg-config", "--exists", "libdpdk"]).returncode != 0:
            return "needs DPDK (libdpdk-dev)"
    if marker == "image":
        return "needs the appliance image"
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in ("root", "dpdk", "image"):
        if item.get_closest_marker(marker) and (reason := missing_capability(marker)):
            pytest.skip(reason)


def accepted(node: str, reason: str) -> bool:
    """Whether tests/accepted_skips.txt lists this skip: `NODE PATTERN | PART OF THE REASON`."""
    for line in ACCEPTED_SKIPS.read_text().splitlines():
        pattern, _, part = line.partition("|")
        if line and not line.startswith("#") and fnmatch.fnmatch(node, pattern.strip()):
            if part.strip() in reason:
                return True
    return False


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def refuse_unaccepted_skip(report: Report) -> Report:
    """In CI a skip that is not on the list is a failure: a test that stops running is seen."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not accepted(report.nodeid, reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}: not on the list in {ACCEPTED_SKIPS.relative_to(ROOT)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return refuse_unaccepted_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return refuse_unaccepted_skip((yield))


@pytest.fixture(scope="session")
def shared_captures() -> list[Path]:
    """Captures that the project did not make, beside the checkout; skips where there are none."""
    captures = sorted((ROOT.parent / "shared" / "data" / "captures").glob("*"))
    captures = [path for path in captures if path.suffix in {".pcap", ".pcapng", ".cap"}]
    if not captures:
        pytest.skip("needs ../shared/data/captures")
    return captures
