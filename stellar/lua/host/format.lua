-- SPDX-License-Identifier: Apache-2.0
--
-- string.format of a plugin: as Lua's, but it takes steps by size, and shows no address.

local host = ...

local budget = host.use("host/budget")
local step, step_text = budget.step, budget.step_text
local string_find, string_format = string.find, string.format
local error, select, type, unpack = error, select, type, unpack

-- In one pass over the template, whatever it is.
local function has_pointer(template)
    local place = string_find(template, "%", 1, true)
    while place ~= nil do
        local _, last, kind = string_find(template, "^[-+ #0]*%d?%d?%.?%d?%d?(.?)", place + 1)
        if kind == "p" then
            return true
        end
        place = string_find(template, "%", last + 1, true)
    end
    return false
end

-- tostring_of: the plugin's own tostring.
return function(tostring_of)
    return function(template, ...)
        if type(template) ~= "string" then
            error("bad argument #1 to 'format' (string expected, got " .. type(template) .. ")", 2)
        end
        step(#template / 8) -- a number may take a microsecond
        if has_pointer(template) then
            error("string.format: %p is not available in a plugin", 2)
        end
        local values, count = { ... }, select("#", ...)
        local size = #template
        for position = 1, count do
            local value = values[position]
            if type(value) ~= "number" and type(value) ~= "string" then
                value = tostring_of(value)
                values[position] = value
            end
            size = size + (type(value) == "string" and #value or 32)
        end
        step_text("string.format", size)
        return string_format(template, unpack(values, 1, count))
    end
end
