# SPDX-License-Identifier: Apache-2.0
"""Every command of the tutorial is run, in its order, in a folder with nothing in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[3] / "docs" / "tutorial.md"
FOLDER_AFTER = '\npwd > "$TUTORIAL_FOLDER"\n'


def test_every_command_of_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", TUTORIAL.read_text(), re.M | re.S)
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TUTORIAL_FOLDER": str(tmp_path / "folder"),
    }
    folder = tmp_path / "empty"
    folder.mkdir()

    said = []
    for block in blocks:
        # A block that is to fail says so by a `!`, which must be its last command.
        script = block if block.startswith("!") else block + FOLDER_AFTER
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        folder = Path((tmp_path / "folder").read_text().strip())
        said.append(done.stdout)

    assert len(blocks) == 8
    assert "no_secrets.scenario.yml: failed, 4 of 4 runs" in said[2]
    assert "- no_secrets: the word was sent to port 80" in said[2]
    assert "no_secrets.scenario.yml: passed, 4 runs" in said[3]
    assert '"text":"the word was sent to port 80"' in said[4]
    assert '"text":"the word was sent to port 80"' in said[5]
    assert said[7].endswith("no_secrets.scenario.yml: passed, 4 runs\n")
