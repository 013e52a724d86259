-- SPDX-License-Identifier: Apache-2.0
--
-- Settings of a plugin: `config` declares keys, the host checks the values given before `configure`
-- gets them. A declaration: { type, required, default, range = { from, to } }.

local TYPES = {
    boolean = function(value) return type(value) == "boolean" end,
    integer = function(value) return type(value) == "number" and value % 1 == 0 end,
    number = function(value) return type(value) == "number" end,
    string = function(value) return type(value) == "string" end,
}
local ATTRIBUTES = { type = true, required = true, default = true, range = true }

local config = {}

local function refuse(key, expected, found)
    error("config." .. key .. ": expected " .. expected .. ", found " .. tostring(found), 0)
end

local function check_value(key, declaration, value)
    if not TYPES[declaration.type](value) then
        refuse(key, "a value of type " .. declaration.type, type(value))
    end
    local range = declaration.range
    if range ~= nil and (value < range[1] or value > range[2]) then
        refuse(key, range[1] .. " to " .. range[2], value)
    end
end

local function check_range(key, declaration)
    local range = declaration.range
    if range == nil then
        return
    end
    if type(range) ~= "table" or type(range[1]) ~= "number" or type(range[2]) ~= "number"
        or (declaration.type ~= "integer" and declaration.type ~= "number") then
        refuse(key, "range = { from, to } with a numeric type", "another")
    end
end

local function check_declaration(key, declaration)
    if type(key) ~= "string" or not key:match("^[a-z][a-z0-9_]*$") then
        refuse(tostring(key), "a key of a-z, 0-9 and _", type(key))
    end
    if type(declaration) ~= "table" or TYPES[declaration.type] == nil then
        refuse(key, "type = boolean, integer, number or string", "another")
    end
    for attribute in pairs(declaration) do
        if not ATTRIBUTES[attribute] then
            refuse(key, "type, required, default or range", attribute)
        end
    end
    check_range(key, declaration)
    if declaration.default ~= nil then
        check_value(key, declaration, declaration.default)
    end
end

-- values: what the operator set, or nil. Returns the settings; raises a line.
function config.check(declarations, values)
    local settings = {}
    values = values or {}
    for key, declaration in pairs(declarations) do
        check_declaration(key, declaration)
        local value = values[key]
        if value == nil then
            value = declaration.default
        else
            check_value(key, declaration, value)
        end
        if value == nil and declaration.required then
            refuse(key, "a value", "none")
        end
        settings[key] = value
    end
    for key in pairs(values) do
        if declarations[key] == nil then
            refuse(tostring(key), "a declared key", "another")
        end
    end
    return settings
end

return config
