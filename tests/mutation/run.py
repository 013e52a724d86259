# SPDX-License-Identifier: Apache-2.0
"""Plants each mutation in a copy of the tree and runs the tests: every one must be caught.

usage: .venv/bin/python tests/mutation/run.py [NAME...]     (make mutation)

Exit 0: all caught; 1: one survived, or the tests fail without any; 2: one does not apply or build.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "mutation"
TREE = WORK / "tree"
BUILD = WORK / "build"
SITE = WORK / "site"
BIN = ROOT / ".venv" / "bin"
TESTS_TIMEOUT_SEC = 300  # a mutation may make a loop endless: that is caught too
# Fast ones first; the first failure ends a run.
SUITES = (["tests/native/test_native.py"], ["tests/unit/engine", "tests/replay", "tests/unit"])


def environment() -> dict[str, str]:
    """Tests find the mutated package before the installed one."""
    return {
        **{name: value for name, value in os.environ.items() if name != "CI"},
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(SITE),
        "STELLAR_BUILD_DIR": str(BUILD),
    }


def run(*command: str | Path, cwd: Path = TREE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TESTS_TIMEOUT_SEC,
    )


def copy_tree() -> None:
    """A fresh copy of the checkout, with what lies beside it in reach."""
    shutil.rmtree(WORK, ignore_errors=True)
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, TREE, ignore=ignored)
    (TREE / ".venv").symlink_to(ROOT / ".venv")
    if (ROOT.parent / "shared").exists():
        (WORK / "shared").symlink_to(ROOT.parent / "shared")
    folders = [f"-Dpython.{kind}libdir={SITE}" for kind in ("pure", "plat")]
    done = run("meson", "setup", BUILD, TREE, "-Dtests=true", "-Dwerror=false", *folders)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nthe copy of the tree can't be configured")


def build() -> str:
    """Build and install the copy; what the compiler said when it fails."""
    done = run("ninja", "-C", BUILD)
    if done.returncode == 0:
        done = run("meson", "install", "-C", BUILD, "--no-rebuild", "--only-changed")
    return "" if done.returncode == 0 else done.stdout


def failing_test() -> str:
    """The first test that fails, or nothing."""
    for suite in SUITES:
        present = [folder for folder in suite if (TREE / folder).exists()]
        try:
            done = run(BIN / "pytest", "-x", "-q", "-p", "no:cacheprovider", *present)
        except subprocess.TimeoutExpired:
            return f"{' '.join(suite)} (no end)"
        if done.returncode not in (0, 5):
            found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)
            return found[1] if found else done.stdout[-400:]
    return ""


def verdict(mutation: Mutation) -> str:
    """Plant one, and say what became of it."""
    path = TREE / mutation.file
    original = path.read_text()
    if original.count(mutation.before) != 1:
        return f"DOES NOT APPLY: the text stands {original.count(mutation.before)} times"
    path.write_text(original.replace(mutation.before, mutation.after))
    try:
        if message := build():
            return f"DOES NOT BUILD: {message[-1500:]}"
        caught_by = failing_test()
        return f"caught by {caught_by}" if caught_by else "NOT CAUGHT"
    finally:
        path.write_text(original)


def main(names: list[str]) -> int:
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    if not chosen:
        print(f"no mutation is called {' '.join(names)}", file=sys.stderr)
        return 2
    copy_tree()
    if message := build() or failing_test():
        print(f"without any mutation: {message}", file=sys.stderr)
        return 1
    verdicts = []
    for mutation in chosen:
        verdicts.append(verdict(mutation))
        print(f"{mutation.name:34} {mutation.file:34} {verdicts[-1]}", flush=True)
    caught = sum(line.startswith("caught") for line in verdicts)
    print(f"{caught} of {len(verdicts)} mutations caught")
    if any(line.startswith("DOES NOT") for line in verdicts):
        return 2
    return 0 if caught == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
