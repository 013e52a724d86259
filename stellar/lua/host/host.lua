-- SPDX-License-Identifier: Apache-2.0
--
-- The host of one plugin on one worker: it alone has the FFI. Called by stellar/lua/plugin.py with
-- the sources of its parts, the path of libstellar.so, what the FFI is to declare, and the memory
-- budget in bytes; returns the function that loads a plugin file.
--
-- Parts share one table, `host`. `host.call` is the callback in progress: its number goes up with
-- each, and a view (session, packet, event) holds the number it was made with, so that one kept
-- beyond its callback is known. Of a tick it has the worker, else false. Pointers stay here: a
-- plugin never holds a cdata.

local ffi = require("ffi")
local bytecode = require("jit.util")
local gsub = string.gsub -- a plugin's take steps

local sources, library_path, lua_path, declarations, memory_bytes = ...

ffi.cdef(declarations)

local host = {
    ffi = ffi,
    C = ffi.load(library_path),
    loading = true,
    call = { number = 0, sessions = {}, lent = 0, worker = false },
    batch = ffi.new("struct plugin_batch"),
}

local batch = host.batch
local entries = batch.entries
local call = host.call

-- What the callback in progress is about. Asked for on each use: a pointer that is kept anywhere
-- would be an object to collect.
local function own_entry()
    if call.worker then -- a view, made to look like one of this tick
        error("session used in a tick", 4)
    end
    return entries[batch.position]
end

function host.own_session()
    local session = own_entry().session
    if session == nil then
        error("session used in an event without one", 3)
    end
    return session
end

function host.own_event()
    return own_entry().event
end

function host.own_packet()
    local packet = own_entry().event.packet
    if packet == nil then -- a view of another event, made to look like one of this
        error("packet used in an event without one", 3)
    end
    return packet
end

function host.own_context()
    return own_entry().context
end

-- What the state has allocated. LuaJIT compiles a call of its own C function, collectgarbage it
-- does not.
ffi.cdef("int lua_gc(void *state, int what, int argument);")
local GC_COUNT = 3
local lua = ffi.load(lua_path)
local thread = coroutine.create(function() end) -- any of the state's, as long as it lives
host.thread = thread
local state = ffi.cast("void *", ffi.cast("uintptr_t", tonumber(tostring(thread):match("0x%x+"))))

function host.count_kib()
    return lua.lua_gc(state, GC_COUNT, 0)
end

-- What became of LuaJIT's attempts to compile: those it gave up, and the places that it will not
-- try again. Read by plugin.py at any time, so it is no Lua value.
local traces = ffi.new("uint32_t[2]")
host.traces = traces

-- The first byte of an instruction: its kind. LuaJIT marks a place by making it the next kind.
local function get_kind(code, place)
    return bytecode.funcbc(code, place) % 256
end

local start_code, start_place, start_kind
jit.attach(function(what, _, code, place, parent)
    if what == "start" then
        start_code, start_place = code, place
        start_kind = parent == nil and get_kind(code, place) or nil -- else from another's exit
    elseif what == "abort" then
        traces[0] = traces[0] + 1
        if start_kind ~= nil and get_kind(start_code, start_place) == start_kind + 1 then
            traces[1] = traces[1] + 1
        end
    end
end, "trace")

local parts = {}

-- A part of the host by name ("host/shape"), loaded once.
function host.use(name)
    if parts[name] == nil then
        parts[name] = assert(loadstring(sources[name], "=" .. name .. ".lua"))(host)
    end
    return parts[name]
end

-- Names of a public enumeration by value, through its stellar_*_name function.
function host.names(name_of, first)
    local names = {}
    local value = first or 0
    while name_of(value) ~= nil do
        names[value] = ffi.string(name_of(value))
        value = value + 1
    end
    return names
end

local budget = host.use("host/budget")
local sandbox = host.use("host/sandbox")
_G.tostring = sandbox.tostring -- the host's own texts show no address either
local shape = host.use("host/shape")
local config = host.use("host/config")
local dispatch = host.use("host/dispatch")

host.memory_limit_kib = host.count_kib() + memory_bytes / 1024

-- "plugin:12: text" becomes "path:12: text"; what has no place in the file gets the path alone. A
-- place in the host (the plugin's line is a tail call) says nothing to anybody.
local function place(path, text)
    text = gsub(text, "^%l+/%l+%.lua:%d+: ", "")
    local replaced, count = gsub(text, "^plugin:(%d+:)", function(line)
        return path .. ":" .. line
    end)
    return count == 1 and replaced or path .. ": " .. text
end

-- Values given for the file, and those given for a plugin of this name.
local function merge(values, named)
    for key, value in pairs(named or {}) do
        if values[key] ~= nil then
            error("config." .. key .. ": expected a value once, found another", 0)
        end
        values[key] = value
    end
    return values
end

local function read_plugin(source, checked, path, values, values_by_name)
    local environment = sandbox.environment()
    local chunk, problem = sandbox.compile(source, checked, environment)
    if chunk == nil then
        error(problem, 0)
    end
    local plugin = shape.check(chunk())
    local settings = config.check(plugin.config, merge(values, values_by_name[plugin.name]))
    if plugin.configure ~= nil then
        plugin.configure(settings)
    end
    host.loading = false
    budget.grant(plugin.budget)
    return config.describe(plugin.config), dispatch.prepare(plugin, function(text)
        return place(path, text)
    end)
end

local function name_problem(problem)
    return (sandbox.tostring(budget.take_complaint() or budget.strip_overflow(problem)))
end

-- checked: the source with the checks of the time budget. Returns true and what plugin.py's
-- LuaPlugin says of the plugin, or false and one line.
return function(source, checked, path, values, values_by_name)
    local results = {
        xpcall(read_plugin, budget.explain, source, checked, path, values, values_by_name),
    }
    if not results[1] then
        local done, text = pcall(name_problem, results[2])
        return false, place(path, done and text or "an error that has no text")
    end
    return unpack(results, 1, 22)
end
