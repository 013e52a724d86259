# SPDX-License-Identifier: Apache-2.0
"""Every capture beside the checkout goes through the engine; every frame is accounted for."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = Path(os.environ.get("STELLAR_BUILD_DIR", ROOT / "build" / "native"))


def test_every_capture_is_read_and_balanced(shared_captures: list[Path]) -> None:
    binary = BUILD / "tests" / "native" / "replay_captures"

    done = subprocess.run(
        [binary, *shared_captures],
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    failures = [line for line in done.stdout.splitlines() if "FAILED" in line]
    assert done.returncode == 0, "\n".join(failures) or done.stdout[-4000:]
