-- SPDX-License-Identifier: Apache-2.0
--
-- Judges what a plugin file returned. Errors say what was expected and what was found.

local host = ...

local C = host.C

local FIELDS = {
    name = "string", version = "string", config = "table", configure = "function",
    before = "table", after = "table", fail = "string", context = "table", on = "table",
    budget = "number", raises = "table", hears = "table", tick = "table",
}
local NAME_MAX_BYTES = tonumber(C.STELLAR_LUA_PLUGIN_NAME_MAX)
local VERSION_MAX_BYTES = 31
local COPIED_TABLES = 3 -- config.port.range
local TICK_MAX_MS = 2 ^ 31 - 1

local STEPS = host.use("host/budget").STEPS
local derived = host.use("host/derived")

local shape = {}

-- Event ids by name.
shape.events = {}
for id, name in pairs(host.names(C.stellar_event_name)) do
    shape.events[name] = id
end

local function refuse(what, expected, found)
    error(what .. "expected " .. expected .. ", found " .. tostring(found), 0)
end

-- A table as it is now, without its metatable; and the tables in it, `depth` down.
local function copy(values, depth)
    local result = {}
    for key, value in next, values do
        result[key] = depth > 0 and type(value) == "table" and copy(value, depth - 1) or value
    end
    return result
end

local function check_migrate(plugin)
    local migrate = plugin.migrate
    if migrate == nil then
        return
    elseif migrate ~= true and type(migrate) ~= "function" then
        refuse("migrate: ", "true or a function", migrate == false and "false" or type(migrate))
    elseif plugin.context == nil then
        refuse("context: ", "one that migrate fills", "none")
    end
end

local function check_fields(plugin)
    for key, value in pairs(plugin) do
        local kind = FIELDS[key]
        if key == "migrate" then
            check_migrate(plugin)
        elseif kind == nil then
            refuse("", "a plugin's field (name, version, config, configure, before, after,"
                .. " fail, context, migrate, budget, raises, hears, tick, on)",
                type(key) == "string" and key or type(key))
        elseif type(value) ~= kind then
            refuse(key .. ": ", "a " .. kind, type(value))
        end
    end
end

local function check_name(what, name)
    if type(name) ~= "string" then
        refuse(what .. ": ", "a name of a-z, 0-9 and _", type(name))
    elseif not name:match("^[a-z][a-z0-9_]*$") or #name > NAME_MAX_BYTES then
        refuse(what .. ": ", "a name of a-z, 0-9 and _", name)
    end
end

local function check_names(what, names)
    local count = 0
    for _ in pairs(names) do
        count = count + 1
    end
    if count ~= #names then
        refuse(what .. ": ", "a list of names", "other keys")
    end
    for _, name in ipairs(names) do
        check_name(what, name)
    end
end

local function check_handlers(handlers)
    if next(handlers) == nil then
        refuse("on: ", "at least one event", "none")
    end
    for name, handler in pairs(handlers) do
        if shape.events[name] == nil and not derived.is_name(name) then
            refuse("on: ", "an event", type(name) == "string" and name or type(name))
        elseif type(handler) ~= "function" then
            refuse("on." .. name .. ": ", "a function", type(handler))
        end
    end
end

local function check_tick(tick)
    local every_ms = tick.every_ms
    for key in pairs(tick) do
        if key ~= "every_ms" and key ~= "run" then
            refuse("tick: ", "a field of it (every_ms, run)",
                type(key) == "string" and key or type(key))
        end
    end
    if type(every_ms) ~= "number" or every_ms % 1 ~= 0 or every_ms < 1
        or every_ms > TICK_MAX_MS then
        refuse("tick.every_ms: ", "a number of ms from 1 to " .. TICK_MAX_MS, every_ms)
    elseif type(tick.run) ~= "function" then
        refuse("tick.run: ", "a function", type(tick.run))
    end
end

-- Returns the plugin in tables of the host's own, with defaults; raises a line. What was checked
-- stays as it was, whatever `configure` or a metatable does.
function shape.check(plugin)
    if type(plugin) ~= "table" then
        refuse("", "a plugin that returns a table", type(plugin))
    end
    plugin = copy(plugin, COPIED_TABLES)
    check_fields(plugin)
    check_name("name", plugin.name)
    if plugin.version == nil or #plugin.version == 0 or #plugin.version > VERSION_MAX_BYTES then
        refuse("version: ", "1 to " .. VERSION_MAX_BYTES .. " bytes", plugin.version)
    end
    if plugin.fail ~= nil and plugin.fail ~= "open" and plugin.fail ~= "closed" then
        refuse("fail: ", "open or closed", plugin.fail)
    end
    local steps = plugin.budget
    if steps ~= nil and not (steps >= STEPS.minimum and steps <= STEPS.maximum) then
        refuse("budget: ", STEPS.minimum .. " to " .. STEPS.maximum .. " steps", steps)
    end
    check_names("before", plugin.before or {})
    check_names("after", plugin.after or {})
    if plugin.on == nil then
        refuse("on: ", "a table", nil)
    end
    check_handlers(plugin.on)
    derived.check(plugin)
    if plugin.tick ~= nil then
        check_tick(plugin.tick)
    end
    return {
        name = plugin.name,
        version = plugin.version,
        config = plugin.config or {},
        configure = plugin.configure,
        before = plugin.before or {},
        after = plugin.after or {},
        fail_open = plugin.fail == "open",
        context = plugin.context,
        migrate = plugin.migrate,
        budget = plugin.budget,
        on = plugin.on,
        tick_ms = plugin.tick and plugin.tick.every_ms or 0,
        tick = plugin.tick and plugin.tick.run,
    }
end

return shape
