-- SPDX-License-Identifier: Apache-2.0
--
-- The time budget of a call: so many steps, the same in each run. instrument.py puts step() into a
-- plugin's loops, functions and gotos; what the host does for a plugin takes steps by its size. A
-- call that takes more ends with an error, which pcall does not stop.
--
-- What steps can't see, the clock does: it is read every LOOK_STEPS, and a call of more than
-- TIME_MS of the worker's own time ends as well. That is not the same in each run, so it is counted
-- by itself (budget.late_calls).

local host = ...

local ffi = host.ffi
local debug_getinfo, debug_getmetatable = debug.getinfo, debug.getmetatable
local error, pcall, rawget, select, type, xpcall = error, pcall, rawget, select, type, xpcall
local match = string.match
local max = math.max

ffi.cdef([[
struct stellar_lua_time { long sec; long ns; };
int clock_gettime(int clock, struct stellar_lua_time *time);
]])

local MONOTONIC, THREAD_CPU = 1, 3 -- the latter asks the kernel, so only when time is short
local LOOK_STEPS = 32
local TIME_MS = 8
local BYTES_PER_STEP = 256 -- of text made, copied or read
local STRING_MAX_BYTES = 131072
local DEPTH_MAX = 200 -- calls in calls, looked at with the clock
local OVERFLOW = "stack overflow" -- LuaJIT's own message
local STEPS = { minimum = 1000, default = 100000, maximum = 1000000 }

local function describe(steps, time_ms)
    return {
        steps = steps,
        time_ms = time_ms,
        used_up = "its time budget of " .. steps .. " steps is used up",
        late = "its time budget of " .. time_ms .. " ms is used up",
    }
end

local LOADING = describe(10000000, 2000)

local time = ffi.new("struct stellar_lua_time")

local left = LOADING.steps -- below 0: used up
local look_at = left - LOOK_STEPS -- at fewer than these there is something to do
local granted = LOADING
local call_steps = STEPS.default
local started, cpu_started = 0, nil
local complaint = nil -- why the call in hand has to end
local late_calls = 0

local budget = {
    OUT_OF_MEMORY = "not enough memory", -- LuaJIT's own message
    STRING_MAX_BYTES = STRING_MAX_BYTES,
    STEPS = STEPS,
}

local function read_clock(clock)
    ffi.C.clock_gettime(clock, time)
    return tonumber(time.sec) * 1000 + tonumber(time.ns) / 1000000
end

-- The line of the plugin that was running.
local function find_line()
    for level = 3, 100 do
        local found = debug_getinfo(level, "Sl")
        if found == nil then
            break
        elseif found.source == "=plugin" and found.currentline > 0 then
            return "plugin:" .. found.currentline .. ": "
        end
    end
    return ""
end

local function stop(text)
    left, look_at = -1, 0
    if complaint == nil then
        complaint = text -- what follows may itself find no stack
        complaint = find_line() .. text
    end
    error(complaint, 0)
end

-- Whether the worker itself ran for too long: another may have had its processor.
local function is_late(now)
    if now - started < granted.time_ms / 4 then
        return false
    end
    local cpu = read_clock(THREAD_CPU)
    cpu_started = cpu_started or cpu - granted.time_ms / 4
    return cpu - cpu_started > granted.time_ms
end

local function look()
    if left < 0 or left ~= left then -- or what was taken is no number
        stop(granted.used_up)
    end
    local now = read_clock(MONOTONIC)
    if look_at == granted.steps - LOOK_STEPS then
        started, cpu_started = now, nil
    elseif is_late(now) then
        late_calls = late_calls + 1
        stop(granted.late)
    end
    look_at = max(left - LOOK_STEPS, 0)
    if debug_getinfo(DEPTH_MAX, "l") ~= nil then
        budget.refuse("calls are nested more than " .. DEPTH_MAX .. " deep")
    end
end

function budget.step(steps)
    left = left - steps
    if left >= look_at then
        return
    end
    look()
end

local step = budget.step

-- The end of LuaJIT's stack, which only calls of many values come to before DEPTH_MAX. Its place is
-- left out: whether one can be told depends on what was compiled.
function budget.strip_overflow(problem)
    if type(problem) == "string" and match(problem, "^[%l/%.]+:%d+: stack overflow$") ~= nil then
        return OVERFLOW
    end
    return problem
end

local strip_overflow = budget.strip_overflow

-- An error that was raised in the host, as one in the plugin's line. Called where it happens.
function budget.explain(problem)
    problem = strip_overflow(problem)
    local text = type(problem) == "string" and match(problem, "^host/%l+%.lua:%d+: (.*)")
    return text and find_line() .. text or problem
end

-- An error in the plugin's line, however deep in the host.
function budget.refuse(text)
    error(find_line() .. text, 0)
end

-- A call of the plugin begins.
function budget.begin()
    left = call_steps
    look_at = call_steps - LOOK_STEPS
end

-- The plugin is loaded: from here on it has `steps` a call, nil: the default.
function budget.grant(steps)
    call_steps = steps or STEPS.default
    granted = describe(call_steps, TIME_MS)
    budget.begin()
end

-- Why the call in hand had to end, once; nil when it had not.
function budget.take_complaint()
    local text = complaint
    complaint = nil
    return text
end

function budget.late_calls()
    return late_calls
end

-- Take the steps for so many bytes.
function budget.step_bytes(bytes)
    step(1 + bytes / BYTES_PER_STEP)
end

-- The same for text that is about to be made: it may not be longer than all text may be.
function budget.step_text(what, bytes, level)
    if bytes > STRING_MAX_BYTES then
        error(what .. ": expected at most " .. STRING_MAX_BYTES .. " bytes, found " .. bytes,
            (level or 2) + 1)
    end
    step(1 + bytes / BYTES_PER_STEP)
end

-- How much is left, for work that counts by itself.
function budget.left()
    return max(left, 0)
end

local function has_join(value)
    local metatable = debug_getmetatable(value)
    return type(metatable) == "table" and rawget(metatable, "__concat") ~= nil
end

local function size_of(value)
    local kind = type(value)
    return kind == "string" and #value or kind == "number" and 24 or nil
end

-- The operator `..`. level: of the plugin's line.
local function join_two(one, other, level)
    local size, other_size = size_of(one), size_of(other)
    if size == nil or other_size == nil then
        if not has_join(one) and not has_join(other) then
            error("attempt to concatenate a " .. type(size == nil and one or other) .. " value",
                level)
        end
        step(1)
        return (one .. other)
    end
    size = size + other_size
    if size > STRING_MAX_BYTES then
        error("..: expected at most " .. STRING_MAX_BYTES .. " bytes, found " .. size, level)
    end
    step(1 + size / BYTES_PER_STEP)
    return one .. other
end

local function join_many(...)
    local values, count = { ... }, select("#", ...)
    local result = values[count]
    for position = count - 1, 1, -1 do
        result = join_two(values[position], result, 4)
    end
    return result
end

function budget.join(one, other, ...)
    if select("#", ...) == 0 then
        return (join_two(one, other, 3))
    end
    return (join_many(one, other, ...))
end

local function settle(done, problem, ...)
    if left < 0 then
        stop(granted.used_up)
    elseif not done then
        return false, strip_overflow(problem)
    end
    return done, problem, ...
end

-- As Lua's, but for a call whose time is over: it ends.
function budget.pcall(...)
    return settle(pcall(...))
end

function budget.xpcall(action, handler, ...)
    return settle(xpcall(action, function(problem)
        problem = strip_overflow(problem)
        if left < 0 or problem == OVERFLOW then
            return problem
        end
        return handler(problem)
    end, ...))
end

return budget
