-- SPDX-License-Identifier: Apache-2.0
--
-- Derived events: those a plugin raises (`raises`) and those of others that it has a handler for
-- (on["gate.knocked"]; `hears` may list them). The engine gives them numbers when it loads the
-- plugin, which it does in one state only. That one writes the numbers, of `raises`, then of
-- `hears`, where the engine keeps the plugin's state; all read them there.

local host = ...

local ffi, C = host.ffi, host.C
local sandbox = host.use("host/sandbox")

local OWN_NAME = "^[a-z][a-z0-9_]*$"
local HEARD_NAME = "^[a-z][a-z0-9_]*%.[a-z][a-z0-9_]*$"

local derived = { raises = {}, hears = {} }
local raised -- numbers by name of an own event; nil until they have been read
local heard -- names by number

local function refuse(what, expected, found)
    error(what .. "expected " .. expected .. ", found " .. sandbox.tostring(found), 0)
end

-- A list of names as a list of the host's own.
local function check_list(what, names, pattern, expected)
    local list, count = {}, 0
    for _ in pairs(names) do
        count = count + 1
    end
    for position, name in ipairs(names) do
        if type(name) ~= "string" or not name:match(pattern) then
            refuse(what .. ": ", expected, name)
        end
        list[position] = name
    end
    if count ~= #list then
        refuse(what .. ": ", "a list of names", "other keys")
    end
    return list
end

-- Whether a handler's name is one of another plugin's event: "gate.knocked".
function derived.is_name(name)
    return type(name) == "string" and name:match(HEARD_NAME) ~= nil
end

-- Judges raises, hears and their handlers; raises a line.
function derived.check(plugin)
    if plugin.on.derived ~= nil then
        refuse("on: ", "the name of the event that is heard (gate.knocked)", "derived")
    end
    derived.raises = check_list("raises", plugin.raises or {}, OWN_NAME,
        "a name of a-z, 0-9 and _")
    local listed = check_list("hears", plugin.hears or {}, HEARD_NAME,
        "another plugin's event (gate.knocked)")
    for _, name in ipairs(listed) do
        if plugin.on[name] == nil then
            refuse("hears: ", "a handler on[\"" .. name .. "\"]", "none")
        end
    end
    for name in pairs(plugin.on) do
        if derived.is_name(name) then
            derived.hears[#derived.hears + 1] = name
        end
    end
    table.sort(derived.hears)
end

-- For load: asks the engine for the numbers. Returns them, what all states get as the plugin's
-- state, or an error's number.
function derived.find(plugin_host)
    local raises, hears = derived.raises, derived.hears
    local numbers = ffi.new("int[?]", #raises + #hears + 1)
    for place, name in ipairs(raises) do
        numbers[place - 1] = C.plugin_get_derived_id(plugin_host, name)
        if numbers[place - 1] < 0 then
            return numbers[place - 1]
        end
    end
    for place, name in ipairs(hears) do
        numbers[#raises + place - 1] = C.plugin_get_derived_id(plugin_host, name)
    end
    host.derived_numbers = numbers -- as long as the state lives
    return numbers
end

-- Once, in the first callback that needs them.
local function read_numbers()
    local numbers = ffi.cast("const int *", C.pm_session_plugin_state(host.own_session()))
    local own, others = {}, {}
    for place, name in ipairs(derived.raises) do
        own[name] = numbers[place - 1]
    end
    for place, name in ipairs(derived.hears) do
        local number = numbers[#derived.raises + place - 1]
        if number >= 0 then -- else: of a plugin that is not loaded
            others[number] = name
        end
    end
    raised, heard = own, others
end

-- Number of an own event, or nil.
function derived.number(name)
    if raised == nil then
        read_numbers()
    end
    return raised[name]
end

-- Name of the event in hand, which is a derived one.
function derived.name()
    if heard == nil then
        read_numbers()
    end
    return heard[host.own_event().derived_id]
end

-- The one handler of all derived events, or nil: none is heard.
function derived.make_handler(on)
    if #derived.hears == 0 then
        return nil
    end
    local handlers = {}
    for _, name in ipairs(derived.hears) do
        handlers[name] = on[name]
    end
    return function(session, packet, event)
        return handlers[derived.name()](session, packet, event)
    end
end

return derived
