# SPDX-License-Identifier: Apache-2.0
"""The rule of tests/conftest.py: in CI a skip that nobody accepted is a failure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT

SKIPPING = "import pytest\ndef test_skipping():\n    pytest.skip('needs a unicorn')\n"
SKIPPING_MODULE = "import pytest\npytest.importorskip('unicorn')\n"


def outcome(folder: Path, source: str, *, accepted: str, ci: str) -> int:
    """Exit code of pytest on one test file under the project's conftest."""
    tests = folder / "tests"
    tests.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "accepted_skips.txt").write_text(accepted)
    (tests / "test_it.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        cwd=folder,
        env={**os.environ, "CI": ci},
        capture_output=True,
    )
    return done.returncode


@pytest.mark.parametrize("source", [SKIPPING, SKIPPING_MODULE], ids=["test", "module"])
def test_unaccepted_skip_fails_in_ci(tmp_path: Path, source: str) -> None:
    assert outcome(tmp_path, source, accepted="", ci="true") in (1, 2)


def test_accepted_skip_passes_in_ci(tmp_path: Path) -> None:
    assert outcome(tmp_path, SKIPPING, accepted="tests/* | a unicorn", ci="true") == 0


def test_skip_accepted_for_another_reason_fails_in_ci(tmp_path: Path) -> None:
    assert outcome(tmp_path, SKIPPING, accepted="tests/* | a dragon", ci="true") == 1


def test_skip_passes_outside_of_ci(tmp_path: Path) -> None:
    assert outcome(tmp_path, SKIPPING, accepted="", ci="") == 0
