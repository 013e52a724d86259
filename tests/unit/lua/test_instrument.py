# SPDX-License-Identifier: Apache-2.0
"""Checks of the time budget in a plugin's source: what they leave as it is, and what they catch."""

import re

import lupa.luajit21 as luajit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellar.engine.plugins import LIBRARY
from stellar.lua.instrument import SourceError, instrument

EXAMPLES = LIBRARY.parents[1] / "plugins" / "examples"

RUNTIME = luajit.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)

# Runs a chunk as it is, and with checks that count; gives what both returned, and the steps.
COMPARE = """
local source, checked = ...
local steps = 0
local function step(amount)
    steps = steps + amount
    if steps > 100000 then error("used up", 0) end
end
local function join(one, other, ...)
    if select("#", ...) == 0 then return (one .. other) end
    return (one .. join(other, ...))
end
_G[1] = join
local function run(chunk, ...)
    local done, result = pcall(chunk, ...)
    return done, tostring(result)
end
local plain = assert(loadstring(source, "=plugin"))
local ready = assert(loadstring(checked, "=plugin"))
local first, one = run(plain)
local second, other = run(ready(step, join))
return first, one, second, other, steps
"""


def compare(source: str) -> tuple[object, ...]:
    """What the source returns as it is and with checks, and how many steps it took."""
    checked = instrument(source.encode("latin-1"))
    assert checked is not None
    runtime = luajit.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
    text = COMPARE.replace("_G[1] = join\n", "").replace(
        "local function join", "local join\nfunction join"
    )
    return runtime.execute(text, source, checked.decode("latin-1"))


@pytest.mark.parametrize(
    "source",
    [
        "return 1 + 2 .. 'x' .. -3 ^ 2 .. (4 .. 5)",
        "return 'a' .. 'b' == 'ab' and 'c' .. 'd' or 'e' .. 'f'",
        "return not ('a' .. 'b')",
        "local t = { 'a' .. 'b', x = 'c' .. 'd'; ['e' .. 'f'] = 'g' .. 'h' } return t.x .. t.ef",
        "local function f(...) return 'a' .. ... end return f('b', 'c')",
        "local function f() return 'a', 'b' end return f() .. f()",
        "local s = 'a' .. 'b' local t = s .. 'c' return t",
        "local s = 'a' -- b .. c\n .. 'd' -- e .. f\nreturn s",
        "local s = [[a .. b]] .. [==[ ]] .. ]==] return s",
        "local s = 'a\\'..' .. \"b\\\"..\\\n\" return s",
        "local s = 'a\\z \n .. ' .. 'b' return s",
        "--[==[ while true do ]] end ]==] return 'a' .. 'b'",
        "return ('x'):rep(3) .. ('y'):rep(2)",
        "local t = { f = function() return 'v' end } return t.f() .. t['f']() .. #t .. 'x'",
        "local n = 0 for i = 1, 10 do if i % 2 == 0 then goto continue end local z = i n = n + z"
        " ::continue:: end return n",
        "local i = 0 ::again:: i = i + 1 if i < 5 then goto again end return i",
        "local i = 0 repeat local done = i > 3 i = i + 1 until done or i .. '' == '9' return i",
        "local i = 0 repeat repeat i = i + 1 until i % 3 == 0 until i > 8 return i .. 'x'",
        "local n = 0 while (function() for _ = 1, 2 do n = n + 1 end return n < 9 end)() do end"
        " return n",
        "local t = { goto_ = 1, ['goto'] = 2 } return t.goto_ .. t['goto']",
        "local t = {} function t.a(x) return x end function t:b(x) return x end"
        " return t.a(1) .. t:b(2)",
        "local t = setmetatable({}, { __concat = function() return 'own' end })"
        " return 'a' .. t .. 'b'",
        "if false then elseif 'a' .. 'b' == 'ab' then return 'c' .. 'd' else return 1 end",
        "for _, v in ipairs({ 'a' .. 'b', 'c' }) do return v .. '!' end",
        "do local a = 'x' .. 1 end do return 'y' .. 2 end",
        "return 0x10 .. 1e2 .. .5 .. 3. .. 0xA.8p1 .. 'x'",
        "local f = function() return 'f' end return (f)() .. f'' .. f{} .. f[[x]]",
        "#!/usr/bin/lua\nreturn 'a' .. 'b'",
        "local a, b = 'x' .. 'y', 'z' .. 'w'; return a .. b;",
        "return",
        "",
    ],
)
def test_source_does_the_same_with_checks(source: str) -> None:
    first, one, second, other, _ = compare(source)

    assert (first, one) == (second, other)


@pytest.mark.parametrize("source", ["return 'a' .. nil", "return 1 < 2, 3 .. {}"])
def test_source_fails_with_checks_as_without(source: str) -> None:
    first, one, second, other, _ = compare(source)

    assert (first, second) == (False, False)
    assert "attempt to concatenate" in one and "attempt to concatenate" in other


@pytest.mark.parametrize(
    "source",
    [
        "while true do end",
        "while (function() return true end)() do end",
        "repeat until false",
        "repeat local x = 1 until x == 2",
        "for i = 1, 1e9 do end",
        "for i = 1, math.huge do end",
        "for _ in function() return 1 end do end",
        "::a:: goto a",
        "do ::a:: do goto a end end",
        "local function f() return f() end f()",
        "local t = {} function t:f() return self:f() end t:f()",
        "local t = setmetatable({}, {})"
        " getmetatable(t).__index = function(_, k) return t[k + 1] end"
        " for i = 1, 1e9 do pcall(function() return t[1] end) end",
        "local x = (function() while true do end end)()",
        "local t = { (function() repeat until nil end)() }",
        "local a = 0xe-#(function() while true do end end)()",
        "local i = 0 while true do i = i + 1 if i then goto continue end ::continue:: end",
        "for i = 1, 2 do while true do if i then break end end for j = 1, 1e9 do end end",
        "if true then while true do end end",
        "repeat repeat until true until (function() while true do end end)()",
        "return (function(...) while true do end end)()",
        "local s = 'a' .. (function() while true do end end)()",
        'local s = "--[[" while true do end --]]',
        "local s = [[ ]] while true do end -- ]]",
        "--[[ ]] while true do end -- ]]",
        "--[==[ ]] ]==] while true do end",
        "local s = '\\\\' while true do end -- '",
        "local s = '\\\r\n' while true do end",
    ],
)
def test_what_never_ends_takes_steps(source: str) -> None:
    checked = instrument(source.encode())
    assert checked is not None
    runtime = luajit.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)

    done, problem = runtime.execute(
        """
        local steps = 0
        local function step(amount)
            steps = steps + amount
            if steps > 100000 then error("used up", 0) end
        end
        local ready = assert(loadstring(...))
        return pcall(ready(step, function(one, other) return one .. other end))""",
        checked.decode("latin-1"),
    )

    assert (done, problem) == (False, "used up")


@pytest.mark.parametrize(
    "body", ["x = x + 1 " * 2000, "local t = { " + "1, " * 5000 + "} ", "f() " * 5000]
)
def test_long_body_takes_more_steps(body: str) -> None:
    checked = instrument(f"local x, f for i = 1, 2 do {body} end".encode())

    assert checked is not None
    found = re.search(rb"do \xffS\((\d+)\)", checked)
    assert found is not None
    assert int(found[1]) > 200


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.lua")), ids=lambda path: path.name)
def test_checks_change_no_line_of_an_example(example) -> None:  # type: ignore[no-untyped-def]
    source = example.read_bytes()

    checked = instrument(source)

    assert checked is not None
    assert checked.count(b"\n") == source.count(b"\n") + 1
    assert re.sub(rb" ?\xffS\(\d+\);", b"", checked).count(b"\xffS") == 1


@pytest.mark.parametrize(
    ("source", "line", "complaint"),
    [
        ("\nlocal \xffS = 1", 2, "expected a name without the byte 255"),
        ("local x = 1\r\n\r\nx.y\xff = 1", 3, "expected a name without the byte 255"),
        ("local x = 5ULL", 1, "expected a number of Lua, found 5ULL"),
        ("local x = 0x5ll", 1, "expected a number of Lua, found 0x5ll"),
        ("\n\n\nlocal x = 2i", 4, "expected a number of Lua, found 2i"),
    ],
)
def test_what_a_plugin_may_not_write_is_refused(source: str, line: int, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint) as refused:
        instrument(source.encode("latin-1"))

    assert refused.value.line == line


def test_names_of_other_letters_stay_names() -> None:
    first, one, second, other, _ = compare(
        "local gr\u00f6\u00dfe = 'a' .. 'b' return gr\u00f6\u00dfe"
    )

    assert (first, one) == (second, other) == (True, "ab")


@pytest.mark.parametrize(
    "source", ["end", "(", "local x = )", "repeat", "'", "--[[", "@", "function f( end", "x = [==["]
)
def test_ill_formed_source_is_left_to_the_compiler(source: str) -> None:
    checked = instrument(source.encode())

    runtime = luajit.LuaRuntime(encoding="latin-1")
    assert checked is None or not runtime.eval("loadstring(...)", checked.decode("latin-1"))


NAMES = st.sampled_from(["a", "b", "goto_"])
VALUES = st.recursive(
    st.sampled_from(["1", "'x'", "nil", "true", "...", "a", "[[ .. ]]", "0xe", "a.b", "a[1]"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["..", "+", "==", "and", "or", "<"]), inner).map(" ".join),
        inner.map(lambda value: f"({value})"),
        inner.map(lambda value: f"not -#{value}"),
        inner.map(lambda value: f"a.b({value}):c{{{value}, [{value}] = {value}; {value}}}"),
        inner.map(lambda value: f"function(...) return {value} end"),
        inner.map(lambda value: f"(function(...) while {value} do end return {value} end)()"),
    ),
    max_leaves=8,
)
STATEMENTS = st.recursive(
    st.one_of(
        VALUES.map(lambda value: f"local a = {value}"),
        VALUES.map(lambda value: f"a.b, b = {value}, {value};"),
        VALUES.map(lambda value: f"a({value})"),
        st.just("--[[ while ]] a 'x' -- while"),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("\n".join),
        st.tuples(VALUES, inner).map(lambda t: f"while {t[0]} do {t[1]} break end"),
        st.tuples(VALUES, inner).map(lambda t: f"repeat {t[1]}\nuntil {t[0]}"),
        st.tuples(VALUES, inner).map(lambda t: f"for a = {t[0]}, {t[0]} do {t[1]}\nend"),
        st.tuples(VALUES, inner).map(lambda t: f"for a, b in {t[0]} do do {t[1]}\nend end"),
        st.tuples(VALUES, inner).map(
            lambda t: f"if {t[0]} then {t[1]}\nelseif {t[0]} then else {t[1]}\nend"
        ),
        inner.map(lambda body: f"local function a(b, ...) {body}\nend"),
        inner.map(lambda body: f"function a.b:c(...) {body}\nend"),
        inner.map(lambda body: f"do {body}\ngoto again ::again:: end"),
    ),
    max_leaves=8,
)


@settings(max_examples=1000, deadline=None)
@given(source=STATEMENTS)
def test_what_compiles_compiles_with_checks_and_no_loop_is_without(source: str) -> None:
    compiles = RUNTIME.eval("loadstring")(source)

    checked = instrument(source.encode())

    code = re.sub(r"--\[\[.*?\]\]|-- while", "", source)
    loops = len(re.findall(r"\b(?:for|while|repeat|function|goto)\b", code))
    if not isinstance(compiles, tuple):
        assert checked is not None
        assert not isinstance(RUNTIME.eval("loadstring")(checked.decode("latin-1")), tuple)
        assert checked.count(b"\xffS(") == loops
        assert checked.count(b"\n") == source.count("\n") + 1
        assert re.sub(rb"\[\[.*?\]\]", b"", checked).count(b" .. ") == 0
