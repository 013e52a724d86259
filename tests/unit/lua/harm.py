# SPDX-License-Identifier: Apache-2.0
"""Plugins that mean harm, by what they try; what got out of the sandbox counts `escapes`."""

__all__ = ["SCRIPTS"]

HANDLER = """
local calls, kept, peer = 0, {{}}, nil
local stats, log = require("stellar.stats"), require("stellar.log")
local escapes = stats.counter("escapes")
local function escaped() escapes:add() end
local function deep(n) return 1 + deep(n + 1) end
return {{ name = "hostile", version = "1", fail = "open", context = {{ seen = "int32" }}, on = {{
    {hook} = function(session, packet, event)
        calls = calls + 1
        {body}
    end,
}} }}"""

_HOOKS = ("session_opening", "session_packet", "session_closing", "udp_data", "metadata_changed")
_SPIN = "local n = 0 while true do n = n + 1 end"

_BODIES = {
    # Out of the sandbox: what is reached says so, what is refused raises.
    "escape_os": "if pcall(function() return os end) then escaped() end error('no os')",
    "escape_ffi": "if pcall(require, 'ffi') then escaped() end error('no ffi')",
    "escape_debug": "if pcall(function() return debug end) then escaped() end error('none')",
    "escape_load": "if pcall(function() return load end) then escaped() end error('none')",
    "escape_globals": "if pcall(function() return _G end) then escaped() end error('none')",
    "escape_python": "if pcall(function() return python end) then escaped() end error('none')",
    "escape_dump": "if string.dump then escaped() end error('none')",
    "escape_coroutine": "if pcall(function() return coroutine end) then escaped() end error('no')",
    "escape_finaliser": "if pcall(function() return newproxy end) then escaped() end error('none')",
    "escape_metatable": "if getmetatable(session) ~= false then escaped() end error('none')",
    "escape_strings": "if pcall(function() getmetatable('').__index.rep = nil end) then escaped()"
    " end error('none')",
    "escape_library": "if pcall(function() require('stellar').DROP = 0 end) then escaped() end"
    " error('none')",
    "escape_address_text": "if tostring({}):find('0x') or tostring(pcall):find('0x') then escaped()"
    " end error('none')",
    "escape_error_text": "local _, p = pcall(session.reject, session, {}) if p:find('0x') then"
    " escaped() end error('none')",
    "escape_pointer": "if pcall(string.format, '%-5p', {}) then escaped() end error('none')",
    "escape_null_address": "local a = session:originator():address() rawset(a, 2, nil)"
    " if a:text() ~= 'none' then escaped() end error('none')",
    "escape_short_address": "local a = session:originator():address() rawset(a, 1, 6)"
    " if a:text() ~= 'none' then escaped() end error('none')",
    "escape_stream": "local s = session:stream(0) rawset(s, 2, 2 ^ 31) if s:peek() then escaped()"
    " end error('none')",
    "escape_counter": "escapes.add({ id = 2 ^ 30 }, 5) escapes.add({ id = -1 }, 5) error('none')",
    "escape_session": "rawset(session, 2, 77) if pcall(session.id, session) then escaped() end"
    " error('none')",
    "escape_kept": "if kept[1] and pcall(kept[1].id, kept[1]) then escaped() end kept[1] = session"
    " if calls > 1 then error('none') end",
    "escape_claim": "local n = 0 session:expect(setmetatable({}, { __index = function(_, key)"
    " n = n + 1 return key == 'protocol' and 17 or key == 'timeout_ms' and (n > 4 and 2 ^ 60 or 5)"
    " or { port = 5 } end })) error('none')",
    "escape_terms": "session:hold(setmetatable({}, { __index = function() return {} end }))",
    "escape_weak": "local m = setmetatable({}, { __mode = 'k' })",
    # Without an end.
    "hang_loop": _SPIN,
    "hang_repeat": "repeat until false",
    "hang_goto": "::again:: goto again",
    "hang_tail_call": "local function f() return f() end f()",
    "hang_recursion": "deep(1)",
    "hang_pcall": f"while true do pcall(function() {_SPIN} end) end",
    "hang_xpcall": f"xpcall(function() {_SPIN} end, function() {_SPIN} end)",
    "hang_compiled": f"if calls > 30 then {_SPIN} end for i = 1, 500 do kept[1] = i end",
    "hang_index": f"local t = setmetatable({{}}, {{ __index = function() {_SPIN} end }}) t = t.x",
    "hang_equality": f"local m = {{ __eq = function() {_SPIN} end }}"
    " local same = setmetatable({}, m) == setmetatable({}, m)",
    "hang_tostring": f"error(setmetatable({{}}, {{ __tostring = function() {_SPIN} end }}))",
    "hang_concat": f"local t = setmetatable({{}}, {{ __concat = function() {_SPIN} end }})"
    " t = t .. t",
    "hang_sort": "local t = {} for i = 1, 9000 do t[i] = -i end while true do table.sort(t) end",
    "hang_comparison": f"table.sort({{ 2, 1 }}, function() {_SPIN} end)",
    "hang_gsub": f"('x'):gsub('x', function() {_SPIN} end)",
    "hang_iterator": "for _ in function() return 1 end do end",
    "hang_children": "while true do for _ in session:children() do end end",
    "hang_metadata": "while true do session:set_metadata('k', 'v') end",
    "hang_log": "while true do session:log('info', 'again') end",
    "hang_not_a_number": "pcall(table.insert, {}, 0 / 0, 1) while true do end",
    "hang_insert": "local t = { 1, 2 } table.insert(t, 0 / 0, 1)",
    "hang_remove": "pcall(table.remove, { 1 }, 0 / 0) while true do end",
    "hang_format": "string.format(('%1'):rep(60000))",
    # Too much of it.
    "bomb_tables": "while true do kept[#kept + 1] = { {}, {} } end",
    "bomb_text": "while true do kept[#kept + 1] = ('x'):rep(100000) .. #kept end",
    "bomb_doubling": "local s = 'x' while true do s = s .. s end",
    "bomb_keys": "while true do kept['k' .. #kept] = 1 kept[#kept + 1] = 1 end",
    "bomb_repeat": "('x'):rep(2 ^ 40)",
    "bomb_concat": "local t = {} for i = 1, 90000 do t[i] = 'abcdefgh' end table.concat(t)",
    "bomb_unpack": "local t = {} for i = 1, 9000 do t[i] = i end while true do unpack(t) end",
    "bomb_metadata": "for i = 1, 1e9 do session:set_metadata('k' .. i, ('v'):rep(60000)) end",
    "bomb_pattern": "(('a'):rep(30) .. 'b'):find(('a*'):rep(30) .. 'c')",
    "bomb_pattern_long": "('a'):rep(60000):find('.-.-.-b')",
    "bomb_balance": "('('):rep(60000):find('%b()x')",
    "bomb_closures": "while true do local n = #kept kept[n + 1] = function() return n end end",
    # Errors where nobody expects them.
    "error_nil": "error()",
    "error_object": "error(setmetatable({}, { __tostring = function() error('again') end }))",
    "error_poisoned": "string.format, string.sub, table.concat = nil, nil, nil error({})",
    "error_verdict": "return 99",
    "error_verdict_object": "return setmetatable({}, { __lt = function() return true end })",
}

SCRIPTS: dict[str, str] = {
    name: HANDLER.format(hook="session_packet", body=body) for name, body in _BODIES.items()
} | {f"hang_{hook}": HANDLER.format(hook=hook, body=_SPIN) for hook in _HOOKS}
