# SPDX-License-Identifier: Apache-2.0
"""A plugin's string library beside LuaJIT's own: the same results, whatever the pattern."""

from pathlib import Path
from typing import Any

import lupa.luajit21 as luajit
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import stellar.lua
from stellar.engine.plugins import LIBRARY

HOST = Path(stellar.lua.__file__).parent

# Both libraries in one state; `both` calls one function of each and says what came of it.
BOTH = """
local budget, text, list, format, library, declarations = ...
local ffi = require("ffi")
ffi.cdef(declarations)
local parts = { ["host/budget"] = budget, ["host/text"] = text, ["host/list"] = list,
    ["host/format"] = format }
local host = { ffi = ffi, C = ffi.load(library) }
local loaded = {}
function host.use(name)
    loaded[name] = loaded[name] or assert(loadstring(parts[name], "=" .. name))(host)
    return loaded[name]
end
local own, lists = host.use("host/text"), host.use("host/list")
own.format = host.use("host/format")(tostring)
local function say(done, ...)
    local words = { tostring(done) }
    for position = 1, select("#", ...) do
        local value = select(position, ...)
        words[#words + 1] = done and type(value) .. ":" .. tostring(value) or ""
    end
    return table.concat(words, "|")
end
local function walk(library, subject, pattern)
    local found = {}
    for one, other in library.gmatch(subject, pattern) do
        found[#found + 1] = tostring(one) .. "," .. tostring(other)
        if #found > 200 then break end
    end
    return table.concat(found, ";")
end
local replacements = {
    ["function"] = function(one, other) return other and other .. one end,
    ["table"] = { a = "[a]", b = false, [1] = "one" },
}
return {
    call = function(name, ...)
        host.use("host/budget").grant(1000000)
        return say(pcall(string[name], ...)), say(pcall(own[name], ...))
    end,
    walk = function(...)
        host.use("host/budget").grant(1000000)
        return say(pcall(walk, string, ...)), say(pcall(walk, own, ...))
    end,
    replace = function(subject, pattern, kind, limit)
        host.use("host/budget").grant(1000000)
        local by = replacements[kind] or kind
        return say(pcall(string.gsub, subject, pattern, by, limit)),
            say(pcall(own.gsub, subject, pattern, by, limit))
    end,
    sort = function(...)
        local values = { ... }
        host.use("host/budget").grant(1000000)
        local one, other = {}, {}
        for place, value in ipairs(values) do one[place], other[place] = value, value end
        table.sort(one)
        lists.sort(other)
        return table.concat(one, " "), table.concat(other, " ")
    end,
}
"""

SUBJECTS = st.text("ab1 .(%]\0\xff", max_size=12)
PATTERNS = st.lists(
    st.sampled_from(
        "a b . %a %d %s %w %p %x %g %c %l %u %z %A %S %% %. [ab] [^a] [a-b] [%a_] []] [^]] [a-]"
        " [%]] ^ $ ( ) () (a) (.) (.-) %1 %2 %0 %b() %bab %f[%a] %f * + - ? [ % ] \0 \xff".split(
            " "
        )
    ),
    max_size=8,
).map("".join)


@pytest.fixture(scope="module")
def libraries() -> Any:
    runtime = luajit.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
    parts = [
        (HOST / "host" / f"{name}.lua").read_text(encoding="latin-1")
        for name in ("budget", "text", "list", "format")
    ]
    declarations = (HOST / "declarations.h").read_text(encoding="latin-1")
    return runtime.execute(BOTH, *parts, str(LIBRARY), declarations)


@settings(max_examples=4000, deadline=None)
@given(
    subject=SUBJECTS,
    pattern=PATTERNS,
    init=st.none() | st.integers(-15, 15),
    is_plain=st.sampled_from([None, False, False, True]),
)
@example(subject="", pattern="", init=5, is_plain=None)
@example(subject="a" * 300, pattern="a?" * 250, init=None, is_plain=None)
@example(subject="a", pattern="()%1", init=None, is_plain=None)
@example(subject="a", pattern="(" * 40, init=None, is_plain=None)
def test_find_and_match_find_what_lua_finds(
    libraries: Any, subject: str, pattern: str, init: int | None, is_plain: bool | None
) -> None:
    theirs, ours = libraries["call"]("find", subject, pattern, init, is_plain)
    assert ours == theirs

    theirs, ours = libraries["call"]("match", subject, pattern, init)
    assert ours == theirs


@settings(max_examples=3000, deadline=None)
@given(
    subject=SUBJECTS,
    pattern=PATTERNS,
    by=st.sampled_from(["", "x", "%0%0", "<%1>", "%2", "%%", "%x", "function", "table", 5]),
    limit=st.none() | st.integers(-1, 4),
)
def test_gsub_and_gmatch_do_what_lua_does(
    libraries: Any, subject: str, pattern: str, by: object, limit: int | None
) -> None:
    theirs, ours = libraries["replace"](subject, pattern, by, limit)
    assert ours == theirs

    theirs, ours = libraries["walk"](subject, pattern)
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rep", ("ab", 3)),
        ("rep", ("ab", 3, "-")),
        ("rep", ("ab", -1)),
        ("rep", ("ab", 0)),
        ("rep", (5, 2)),
        ("rep", (None, 2)),
        ("rep", ("a", "x")),
        ("sub", ("abc", 2)),
        ("sub", ("abc", -2, -1)),
        ("sub", (12345, 2, 3)),
        ("sub", ("abc",)),
        ("find", ("abc", None)),
        ("find", ({}, "a")),
        ("find", (123, 2)),
        ("find", ("a.c", ".", 1, True)),
        ("find", ("abc", "b", "2")),
        ("find", ("abc", "b", 1.7)),
        ("gsub", ("abc", "b")),
        ("gsub", ("abc", "b", True)),
        ("gsub", ("abc", "b", "x", "y")),
        ("format", ("%5.2f|%-5s|%q|%x|%c|%%|%i", 1.5, "a", 'b"', 255, 65, 7)),
        ("format", ("%d", "x")),
        ("format", ("%s",)),
        ("format", ("%y", 1)),
        ("upper", ("aBc",)),
        ("upper", (None,)),
        ("lower", (5,)),
        ("reverse", ("abc",)),
        ("byte", ("abc", 1, -1)),
        ("char", (65, 66)),
        ("len", ("abc",)),
    ],
)
def test_function_gives_what_lua_s_gives(
    libraries: Any, name: str, arguments: tuple[object, ...]
) -> None:
    theirs, ours = libraries["call"](name, *arguments)

    assert ours == theirs


@settings(max_examples=300, deadline=None)
@given(values=st.lists(st.integers(-50, 50), max_size=60))
def test_sort_sorts(libraries: Any, values: list[int]) -> None:
    theirs, ours = libraries["sort"](*values)

    assert ours == theirs
