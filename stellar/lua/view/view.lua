-- SPDX-License-Identifier: Apache-2.0
--
-- What the views of one callback share. A view is a table with the number of its callback in it;
-- its methods ask `check` first.

local host = ...

local ffi = host.ffi
local call = host.call

local ERRORS = {
    [1] = "not permitted", [2] = "not found", [12] = "no memory", [13] = "denied", [16] = "busy",
    [22] = "invalid", [28] = "no room", [34] = "out of range", [38] = "not in this version",
    [75] = "lost", [90] = "too long",
    [95] = "not supported",
}

local view = {}

-- A metatable for views of this name.
function view.class(name, methods)
    return {
        name = name,
        __index = methods,
        __newindex = function(_, key)
            error(name .. " has no field " .. tostring(key) .. " to set", 2)
        end,
        __tostring = function() return name end,
        __metatable = false,
    }
end

-- Raises in the plugin's line, level calls up, unless the view is of the callback in progress.
function view.check(self, name, level)
    if type(self) ~= "table" then
        error(name .. ": expected a call with a colon, found a " .. type(self), level or 3)
    elseif rawget(self, 1) ~= call.number then
        error(name .. " used outside of its callback", level or 3)
    end
end

-- 0 -> true; -errno -> nil and what it means.
function view.result(code)
    if code >= 0 then
        return true
    end
    return nil, ERRORS[-code] or "error " .. -code
end

-- A 64-bit time in ns as whole ms, which a number holds exactly.
function view.milliseconds(time_ns)
    return tonumber(time_ns / 1000000ULL)
end

-- Bytes as a string, bounded.
function view.text(data, length, limit)
    if data == nil then
        return ""
    end
    return ffi.string(data, math.min(tonumber(length), limit))
end

return view
