# SPDX-License-Identifier: Apache-2.0
"""The public headers: each stands alone, each function is documented, what is missing is listed."""

import re
import subprocess

import pytest
from sources import ROOT, c_code, files, text

PUBLIC = files(".h", under="native/include/stellar/")
NATIVE = files(".h", under="native/")


def functions(block: str) -> list[str]:
    """Names of the public functions a piece of a header declares."""
    return [found[1] for found in re.finditer(r"STELLAR_PUBLIC\b[^;{]*?\b(\w+)\s*\(", block, re.S)]


def opening_comment(header: str) -> str:
    return text(header).split("#pragma once")[0]


def declared_only() -> dict[str, set[str]]:
    """Header -> functions whose comment says -ENOSYS; all of them where the opening one does."""
    declared: dict[str, set[str]] = {}
    for header in PUBLIC:
        body = text(header).split("#pragma once")[1]
        blocks = re.split(r"\n\s*\n", body)
        named = {
            name
            for block in blocks
            if "ENOSYS" in "".join(re.findall(r"//[^\n]*", block))
            for name in functions(block)
        }
        opening = re.sub(r"\s*//\s*", " ", opening_comment(header))
        if re.search(r"returns? -ENOSYS", opening):
            named |= set(functions(body))
        if named:
            declared[header.rsplit("/", 1)[1]] = named
    return declared


@pytest.mark.parametrize("header", NATIVE)
def test_header_compiles_alone(header: str) -> None:
    done = subprocess.run(
        ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
         "-Inative", "-Inative/include", "-include", header, "/dev/null"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("header", NATIVE)
def test_header_opens_with_licence_comment_and_pragma_once(header: str) -> None:
    lines = text(header).splitlines()

    assert lines[0] == "// SPDX-License-Identifier: Apache-2.0"
    assert lines[2].startswith("//"), f"{header}: no comment says what it owns"
    assert "#pragma once" in lines


@pytest.mark.parametrize("header", PUBLIC)
def test_every_public_function_is_documented(header: str) -> None:
    blocks = re.split(r"\n\s*\n", text(header).split("#pragma once")[1])
    whole_header_says_it = len(opening_comment(header).splitlines()) > 3

    silent = [
        name
        for block in blocks
        if functions(block) and "//" not in block and not whole_header_says_it
        for name in functions(block)
    ]

    assert not silent, f"{header}: {silent} have no comment"


def test_what_is_declared_only_is_listed_in_the_architecture() -> None:
    section = text("ARCHITECTURE.md").split("## Declared, not there yet")[1].split("\n## ")[0]

    missing = [
        f"{header}: {name}"
        for header, names in declared_only().items()
        for name in sorted(names)
        if f"`{name}`" not in section and f"`{header}` (all" not in section
    ]

    assert not missing, "\n".join(missing)


def test_the_architecture_lists_nothing_that_the_headers_do_not_declare() -> None:
    section = text("ARCHITECTURE.md").split("## Declared, not there yet")[1].split("\n## ")[0]
    known = {name for header in PUBLIC for name in functions(text(header))}

    table = "\n".join(line for line in section.splitlines() if line.startswith("| `"))
    listed = set(re.findall(r"`([a-z]\w+_\w+)`", table))

    assert listed <= known, listed - known


def test_public_headers_include_only_public_headers_and_libc() -> None:
    libc = {"errno.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h"}

    wrong = [
        f"{header}: {included}"
        for header in PUBLIC
        for included in re.findall(r"#\s*include\s+<([^>]+)>", c_code(header))
        if included not in libc and not included.startswith("stellar/")
    ]

    assert not wrong
