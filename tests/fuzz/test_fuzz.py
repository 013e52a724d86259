# SPDX-License-Identifier: Apache-2.0
"""Each libFuzzer target on its seeds and some mutations of them, the same ones every time.

Built here, with ASan and UBSan, from the sources as they are: a target that no longer compiles is
a parser that nobody fuzzes.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "fuzz-native"
TARGETS = sorted(path.stem for path in Path(__file__).parent.glob("*/fuzz_*.c"))
BUILD_TIMEOUT_SEC = 1200  # safety nets
RUN_TIMEOUT_SEC = 300


def run(*command: str, timeout_sec: int) -> None:
    """Run a command in the build; its last output is the failure."""
    bin_directory = Path(sys.executable).parent
    done = subprocess.run(
        command,
        cwd=BUILD,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_sec,
        env={**os.environ, "PATH": f"{bin_directory}:{os.environ['PATH']}", "CC": "clang"},
    )

    assert done.returncode == 0, done.stdout[-6000:]


@pytest.fixture(scope="session")
def commands() -> dict[str, list[str]]:
    """The short run of each target, by its name."""
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    BUILD.mkdir(parents=True, exist_ok=True)
    if not (BUILD / "build.ninja").exists():
        options = ("-Dfuzz=true", "-Dtests=false")
        run("meson", "setup", *options, str(BUILD), str(ROOT), timeout_sec=BUILD_TIMEOUT_SEC)
    run("ninja", "meson-test-prereq", timeout_sec=BUILD_TIMEOUT_SEC)
    listing = json.loads((BUILD / "meson-info" / "intro-tests.json").read_text())
    return {Path(test["cmd"][0]).name: test["cmd"] for test in listing}


@pytest.mark.parametrize("target", TARGETS)
def test_target_finds_nothing(target: str, commands: dict[str, list[str]], tmp_path: Path) -> None:
    run(*commands[target], f"-artifact_prefix={tmp_path}/", timeout_sec=RUN_TIMEOUT_SEC)
