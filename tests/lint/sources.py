# SPDX-License-Identifier: Apache-2.0
"""The project's own files, as the lint tests see them. Reads the tree; judges nothing."""

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = {".git", ".venv", "build", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@cache
def project_files() -> tuple[str, ...]:
    """Paths of all files that belong to the project, relative to its root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive has no .git
        names = [
            str(path.relative_to(ROOT))
            for path in ROOT.rglob("*")
            if path.is_file() and not NOT_OURS & set(path.relative_to(ROOT).parts)
        ]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def files(*suffixes: str, under: str | tuple[str, ...] = "") -> list[str]:
    """The project's files that end so and lie there."""
    return [name for name in project_files() if name.endswith(suffixes) and name.startswith(under)]


@cache
def text(name: str) -> str:
    """A file's text."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def c_code(name: str) -> str:
    """C text with comments and literals blanked, line numbers kept."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0])

    includes_kept = re.sub(r'^(\s*#\s*include\s+)"([^"]+)"', r"\1<\2>", text(name), flags=re.M)
    return re.sub(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
        blank,
        includes_kept,
        flags=re.S,
    )


def line_of(code: str, offset: int) -> int:
    """Line number of an offset."""
    return code.count("\n", 0, offset) + 1
