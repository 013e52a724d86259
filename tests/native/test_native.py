# SPDX-License-Identifier: Apache-2.0
"""Each C test binary of the build as one test case. `make build` built them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))
BINARY_TIMEOUT_SEC = 120  # a safety net: each takes milliseconds


def built_tests() -> list[dict[str, Any]]:
    listing = BUILD / "meson-info" / "intro-tests.json"
    if not listing.exists():
        return []
    tests: list[dict[str, Any]] = json.loads(listing.read_text())
    return tests


def test_the_build_has_c_tests() -> None:
    assert built_tests(), f"no C tests in {BUILD}: run make build"


@pytest.mark.parametrize("binary", built_tests(), ids=lambda binary: binary["name"])
def test_native_binary_passes(binary: dict[str, Any]) -> None:
    done = subprocess.run(
        binary["cmd"],
        cwd=binary["workdir"] or BUILD,
        env={**os.environ, **binary["env"]},
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=BINARY_TIMEOUT_SEC,
    )

    assert done.returncode == 0, done.stdout
