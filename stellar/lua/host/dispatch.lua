-- SPDX-License-Identifier: Apache-2.0
--
-- Makes the C functions that the engine calls: deliver, for the events of a batch, deliver_one, for
-- a batch of one, tick, and load, once.
-- Nothing that goes wrong in a handler crosses them: an error there would end the process.
--
-- Memory: at its limit lupa's allocator refuses also what the callback itself needs, outside of
-- any pcall. So a plugin is stopped RESERVE_KIB before it: its handlers, and all they hold, are
-- dropped, and each further call fails until the engine disables it.

local host = ...

local ffi, C = host.ffi, host.C
local call = host.call
local budget = host.use("host/budget")
local shape = host.use("host/shape")
local derived = host.use("host/derived")
local make_migration = host.use("host/migrate")
local sandbox = host.use("host/sandbox")
local context = host.use("view/context")
local new_session = host.use("view/session")
local new_packet = host.use("view/packet")
local new_event = host.use("view/event")
local new_tick = host.use("view/tick")
host.use("library/log")
host.use("library/stats")

local bit, collectgarbage, pcall, xpcall = bit, collectgarbage, pcall, xpcall
local string_sub = string.sub -- strings' own methods are the plugin's, and take steps

local RESERVE_KIB = 128
local ERROR_MAX_BYTES = 512
local EINVAL = 22

local request = ffi.new("struct verdict_request")
local dispatch = {}
local batch = host.batch
local entries = batch.entries
local loops, singles = {}, {} -- by event id
local tick = nil -- the plugin's function
local exhausted = false -- the memory budget is used up
local failure = nil -- the first error, for the developer

local function ask_verdict(verdict)
    if type(verdict) ~= "number" or verdict % 1 ~= 0 or verdict < 0
        or verdict >= tonumber(C.STELLAR_DISPOSITION_COUNT) then
        error("plugin returned " .. sandbox.tostring(verdict)
            .. ": expected a verdict of stellar, or nothing", 0)
    elseif verdict == 0 then
        return
    end
    request.disposition = verdict
    local result = C.session_set_verdict(entries[batch.position].session, request)
    if result == -EINVAL then
        error("plugin returned a verdict: expected none in an event without a packet of its"
            .. " session", 0)
    end
end

-- One function for each event, of a text of its own, so that each is compiled by itself, with its
-- handler in it. A batch is a loop: it stores its position before each call, so that errors and
-- requests are of that entry. For a single event there is another: what LuaJIT compiles for it
-- begins at the C function, which it does not where a loop comes first.
local HEAD = [[
local batch, entries, call, handler, new_session, new_packet, new_event, close, ask_verdict,
    begin = ...
]]
local CALL = [[
        local packet = nil
        call.number = call.number + 1
        if entry.event.packet ~= nil then
            packet = new_packet()
        end
        begin()
        local verdict = handler(new_session(), packet, new_event())
        if call.lent ~= 0 then
            close()
        end
        if verdict ~= nil then
            ask_verdict(verdict)
        end
]]
local LOOP = HEAD .. [[
return function()
    for position = batch.position, batch.count - 1 do
        local entry = entries[position]
        batch.position = position
        batch.changing[0] = entry.index
]] .. CALL .. [[
    end
    batch.position = batch.count
end
]]
local SINGLE = HEAD .. [[
return function()
    local entry = entries[0]
]] .. CALL .. [[
end
]]

local function is_near_limit()
    return host.count_kib() > host.memory_limit_kib - RESERVE_KIB
end

-- Whether the plugin has to be stopped for its memory. pcall: collecting may itself find none.
local function is_out_of_memory(problem)
    if problem == budget.OUT_OF_MEMORY then
        return true
    elseif not is_near_limit() then
        return false
    end
    pcall(collectgarbage)
    return is_near_limit()
end

local function no_loop()
    error("no handler for this event", 0)
end

-- Let go of all that the plugin holds, without needing memory: there is none, and no pcall. The C
-- functions collect it, when the stack does not hold it any more and before they need memory.
local function stop()
    exhausted = true
    failure = failure or "its memory budget is used up"
    for id in pairs(loops) do
        loops[id], singles[id] = nil, nil -- of keys that are there
    end
    tick = nil
    jit.flush() -- compiled code holds on to the handlers, too
end

-- Views of the callback are none any more.
local function close_call()
    call.number = call.number + 1
    for place = 1, call.lent do
        call.sessions[place] = nil
    end
    call.lent = 0
end

local function note_failure(text)
    if failure == nil then
        failure = string_sub(sandbox.tostring(text), 1, ERROR_MAX_BYTES)
    end
end

-- Calls a function for the plugin. Returns whether it ran to its end.
local function guard(run, first, second)
    local done, problem = false, nil
    if not exhausted then
        budget.begin()
        done, problem = xpcall(run, budget.explain, first, second)
        close_call()
        if is_out_of_memory(problem) then
            done = false
            stop()
        end
    end
    if not done then
        problem = budget.take_complaint() or budget.strip_overflow(problem)
        if not pcall(note_failure, problem) then
            failure = failure or "an error that has no text"
        end
        budget.take_complaint() -- of an error's own __tostring
    end
    return done
end

-- The C function: what stands in the batch, from its position on. One that failed ends it.
local function enter()
    if guard(loops[batch.type] or no_loop) then
        return
    elseif exhausted then
        pcall(collectgarbage)
    end
    if batch.position == batch.count then
        batch.position = batch.count - 1
    end
    local entry = entries[batch.position]
    entry.asked = bit.bor(entry.asked, C.STELLAR_LUA_BATCH_FAILED)
end

-- The same for a batch of one.
local function enter_one()
    if not guard(singles[batch.type] or no_loop) then
        if exhausted then
            pcall(collectgarbage)
        end
        entries[0].asked = bit.bor(entries[0].asked, C.STELLAR_LUA_BATCH_FAILED)
    end
end

local function run_tick()
    tick(new_tick())
end

local function enter_tick(worker)
    call.worker = worker
    if not guard(run_tick) then
        if exhausted then
            pcall(collectgarbage)
        end
        C.plugin_worker_fail(worker)
    end
    call.worker = false
end

local function make(text, handler)
    local chunk = assert(loadstring(text, "=host/loop.lua"))
    return chunk(batch, entries, call, handler, new_session, new_packet, new_event, close_call,
        ask_verdict, budget.begin)
end

local function add_handler(event, handler)
    loops[event], singles[event] = make(LOOP, handler), make(SINGLE, handler)
end

local function load(plugin_host, ret_state)
    for position, name in ipairs(host.counter_names) do
        local id = C.plugin_counter_create(plugin_host, name)
        if id ~= position - 1 then
            return id < 0 and id or -EINVAL
        end
    end
    for _, line in ipairs(host.log_lines) do
        C.plugin_log(plugin_host, line.level, "%s", line.text)
    end
    local numbers = derived.find(plugin_host)
    if type(numbers) == "number" then
        return numbers
    end
    ret_state[0] = numbers
    return 0
end

local function enter_load(plugin_host, ret_state)
    ret_state[0] = nil
    local done, result = pcall(load, plugin_host, ret_state)
    return done and result or -EINVAL
end

local function address_of(callback)
    return tonumber(ffi.cast("uintptr_t", ffi.cast("void *", callback)))
end

-- Returns, in the order of LuaPlugin's fields, what the plugin is; lists are joined.
function dispatch.prepare(plugin, place)
    local context_size, migration, layout = 0, 0, nil
    host.open_context = function()
        error("plugin declares no context", 3)
    end
    if plugin.context ~= nil then
        local text, fill
        context_size, host.open_context, text, fill = context.prepare(plugin.context)
        migration, layout = make_migration(guard, plugin.migrate, text, fill)
    end
    local events = {}
    for name, handler in pairs(plugin.on) do
        if shape.events[name] ~= nil then
            add_handler(shape.events[name], handler)
            events[#events + 1] = name
        end
    end
    local hear = derived.make_handler(plugin.on)
    if hear ~= nil then
        add_handler(shape.events.derived, hear)
    end
    table.sort(events)
    host.deliver = ffi.cast("void (*)(void)", enter)
    host.deliver_one = ffi.cast("void (*)(void)", enter_one)
    tick = plugin.tick
    host.tick = ffi.cast("void (*)(struct plugin_worker *, void *)", enter_tick)
    host.load = ffi.cast("int (*)(struct plugin_host *, void **)", enter_load)
    return plugin.name, plugin.version, table.concat(events, " "),
        table.concat(plugin.before, " "), table.concat(plugin.after, " "), context_size,
        plugin.fail_open, address_of(host.deliver), address_of(host.deliver_one), address_of(batch),
        migration, layout ~= nil and address_of(layout) or 0, address_of(host.tick),
        address_of(host.load), table.concat(derived.raises, " "), table.concat(derived.hears, " "),
        plugin.tick_ms, address_of(host.traces),
        budget.late_calls, function() return failure ~= nil and place(failure) or nil end
end

return dispatch
