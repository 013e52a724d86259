# SPDX-License-Identifier: Apache-2.0
"""LuaJIT's FFI sees the public structures as the C compiler does: sizes, offsets, enumerators."""

import subprocess
from pathlib import Path

import lupa.luajit21 as luajit
import pytest

import stellar

PACKAGE = Path(stellar.__file__).parent
STRUCTURES = {
    "ip_address": ("version", "bytes"),
    "packet_endpoint": ("address", "port"),
    "event": ("type", "direction", "reason", "data_length", "time_ns", "packet", "data"),
    "field_value": ("type", "u", "bytes", "address"),
    "verdict_request": ("disposition", "reply", "block", "drop_reason", "rule_id"),
    "verdict": ("disposition", "bypass", "rate_limit_group", "generation", "queue_id"),
    "plugin": ("abi_version", "events", "context_size", "fail_action", "load", "entry"),
}
ENUMERATORS = (
    "STELLAR_EVENT_SESSION_CLOSING", "STELLAR_EVENT_COUNT", "STELLAR_DROP", "STELLAR_REPLY_ICMP",
    "STELLAR_FIELD_ADDRESS", "STELLAR_DISPOSITION_COUNT", "STELLAR_LOG_DEBUG", "STELLAR_REVERSE",
    "STELLAR_SESSION_OPENING",
)  # fmt: skip


def expressions() -> dict[str, str]:
    """What to compare: the same question in C and in Lua."""
    asked = {name: f"tonumber(ffi.C.{name})" for name in ENUMERATORS}
    for name, members in STRUCTURES.items():
        asked[f"sizeof(struct {name})"] = f'ffi.sizeof("struct {name}")'
        for member in members:
            place = f'ffi.offsetof("struct {name}", "{member}")'
            asked[f"offsetof(struct {name}, {member})"] = place
    return asked


@pytest.fixture(scope="module")
def by_compiler(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    folder = tmp_path_factory.mktemp("offsets")
    lines = "\n".join(f'printf("%s=%zu\\n", "{one}", (size_t){one});' for one in expressions())
    (folder / "offsets.c").write_text(
        "#include <stddef.h>\n#include <stdio.h>\n"
        "#include <stellar/field.h>\n#include <stellar/plugin.h>\n"
        f"int main(void)\n{{\n{lines}\nreturn 0;\n}}\n"
    )
    subprocess.run(
        ["gcc", f"-I{PACKAGE / 'include'}", "-o", folder / "offsets", folder / "offsets.c"],
        check=True,
    )
    printed = subprocess.run([folder / "offsets"], check=True, capture_output=True, text=True)
    rows = (row.rsplit("=", 1) for row in printed.stdout.splitlines())
    return {name: int(value) for name, value in rows}


@pytest.fixture(scope="module")
def by_luajit() -> dict[str, int]:
    runtime = luajit.LuaRuntime()
    runtime.execute('require("ffi").cdef(...)', (PACKAGE / "lua" / "declarations.h").read_text())
    return {
        name: int(runtime.eval(f'(function() local ffi = require("ffi") return {lua} end)()'))
        for name, lua in expressions().items()
    }


@pytest.mark.parametrize("expression", expressions())
def test_luajit_and_the_compiler_agree(
    expression: str, by_compiler: dict[str, int], by_luajit: dict[str, int]
) -> None:
    assert by_luajit[expression] == by_compiler[expression]
