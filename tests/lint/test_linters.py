# SPDX-License-Identifier: Apache-2.0
"""Each linter as a test: what it printed is the failure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT, files

BIN = Path(sys.executable).parent


def run(tool: str, *arguments: str, **environment: str) -> None:
    """Run a linter from .venv or the system; fail with what it printed."""
    path = shutil.which(tool, path=f"{BIN}:{os.environ['PATH']}")
    if path is None:
        pytest.skip(f"{tool} is not installed")

    done = subprocess.run(
        [path, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environment},
    )

    assert done.returncode == 0, done.stdout


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", "--output-format=concise", "stellar", "tests")


def test_mypy_strict_finds_nothing() -> None:
    run("mypy", MYPYPATH="")


def test_clang_format_changes_nothing() -> None:
    run("clang-format", "--dry-run", "-Werror", *files(".c", ".h"))


def test_cython_lint_finds_nothing() -> None:
    sources = files(".pyx", ".pxd")
    if not sources:
        return

    run("cython-lint", *sources)


def test_yamllint_strict_finds_nothing() -> None:
    run("yamllint", "--strict", *files(".yml", ".yaml", ".yamllint"))


def test_ansible_lint_production_finds_nothing() -> None:
    playbooks = files(".yml", under=("appliance/", "roles/"))
    if not playbooks:
        return

    run("ansible-lint", "--offline", "--profile=production", "appliance", "roles")


def test_luacheck_finds_nothing() -> None:
    sources = files(".lua")
    if not sources:
        return

    run("luacheck", "--no-color", "--std=luajit", "--max-line-length=100", *sources)
