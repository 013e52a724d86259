# SPDX-License-Identifier: Apache-2.0
"""What review should not have to say: file budgets, licence lines, forbidden tokens."""

import re

from sources import c_code, files, line_of, text

BUDGETS = {".c": 800, ".h": 800, ".py": 500, ".pyx": 500, ".lua": 300}

# Token in C, where it is forbidden, and what to do instead.
FORBIDDEN_C = {
    r"\b(?:v?f?printf|puts|fputs|putchar|perror)\s*\(": "log through stellar_log_fn",
    r"\b(?:strcpy|strcat|sprintf|vsprintf|gets|strncpy)\s*\(": "bounded copies: snprintf, memcpy",
    r"\b(?:system|popen)\s*\(": "the data path starts no programs",
    r"\btypedef\s+struct\b": "struct foo, without typedef",
}
# file -> why it may break the rule above
FORBIDDEN_C_EXCEPTIONS: dict[str, str] = {}

# The command line and the daemon's own loop: nothing above them would report it.
BROAD_EXCEPT_HOMES = ("stellar/cli/", "stellar/control/daemon")

LICENSED = (".c", ".h", ".py", ".pyx", ".pxd", ".pyi", ".lua", "meson.build")


def test_files_are_within_their_budgets() -> None:
    lengths = {name: len(text(name).splitlines()) for name in files(*BUDGETS)}

    over = [
        f"{name}: {length} lines"
        for name, length in lengths.items()
        if length > BUDGETS["." + name.rsplit(".", 1)[1]]
    ]

    assert not over, "\n".join(over)


def test_native_code_has_no_forbidden_token() -> None:
    wrong = [
        f"{name}:{line_of(c_code(name), found.start())}: {found[0].strip()}: {instead}"
        for name in files(".c", ".h", under="native/")
        if name not in FORBIDDEN_C_EXCEPTIONS
        for pattern, instead in FORBIDDEN_C.items()
        for found in re.finditer(pattern, c_code(name))
    ]

    assert not wrong, "\n".join(wrong)


def test_native_code_has_line_comments_only() -> None:
    wrong = [
        name
        for name in files(".c", ".h", under="native/")
        if "/*" in re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*', "", text(name))
    ]

    assert not wrong


def test_c_bodies_have_no_conditional_compilation() -> None:
    wrong = [
        f"{name}:{line_of(c_code(name), found.start())}: {found[0].strip()}"
        for name in files(".c", under="native/")
        for found in re.finditer(r"^[ \t]*#\s*(?:ifdef|ifndef)\b.*", c_code(name), re.M)
    ]

    assert not wrong, "platform variants are files chosen by Meson:\n" + "\n".join(wrong)


def test_tests_do_not_sleep() -> None:
    # Spelled apart, so that this file passes itself.
    pattern = r"\b(?:time\.|asyncio\.|u|nano)?" + r"sleep\s*\("

    wrong = [
        f"{name}:{line_of(text(name), found.start())}: {found[0]}"
        for name in files(".py", ".c", ".h", ".lua", under="tests/")
        for found in re.finditer(
            pattern, c_code(name) if name.endswith((".c", ".h")) else text(name)
        )
    ]

    assert not wrong, "wait for an event instead:\n" + "\n".join(wrong)


def test_broad_except_is_only_where_a_process_ends() -> None:
    wrong = [
        f"{name}:{line_of(text(name), found.start())}: {found[0]}"
        for name in files(".py", under="stellar/")
        if not name.startswith(BROAD_EXCEPT_HOMES)
        for found in re.finditer(r"except\s*(?:(?:Base)?Exception\b[^:\n]*)?:", text(name))
    ]

    assert not wrong, "\n".join(wrong)


def test_sources_open_with_the_licence_line() -> None:
    wrong = [
        name
        for name in files(*LICENSED)
        if text(name).strip() and "SPDX-License-Identifier: Apache-2.0" not in text(name)[:200]
    ]

    assert not wrong, "\n".join(wrong)
