-- SPDX-License-Identifier: Apache-2.0
--
-- Settings of a plugin: `config` declares keys, the host checks the values given before `configure`
-- gets them. A declaration: { type, required, default, range = { from, to } }.

local INTEGER_DIGITS_MAX = 15
local TYPES = {
    boolean = function(value) return type(value) == "boolean" end,
    integer = function(value) return type(value) == "number" and value % 1 == 0 end,
    number = function(value) return type(value) == "number" end,
    string = function(value) return type(value) == "string" end,
}
-- What a text says, or nil: it is none of the type.
local READERS = {
    boolean = function(text)
        return text == "true" or (text ~= "false" and nil)
    end,
    integer = function(text)
        return text:match("^-?%d+$") and #text <= INTEGER_DIGITS_MAX and tonumber(text) or nil
    end,
    number = function(text)
        local whole = text:gsub("[eE][+-]?%d%d?%d?$", "", 1)
        return whole:match("^-?%d+%.?%d*$") and tonumber(text) or nil
    end,
}
local ATTRIBUTES = { type = true, required = true, default = true, range = true }

local config = {}

local function refuse(key, expected, found)
    error("config." .. key .. ": expected " .. expected .. ", found " .. tostring(found), 0)
end

local function check_value(key, declaration, value)
    if not TYPES[declaration.type](value) then
        refuse(key, "a value of type " .. declaration.type,
            type(value) == "string" and value or type(value))
    end
    local range = declaration.range
    if range ~= nil and (value < range[1] or value > range[2]) then
        refuse(key, range[1] .. " to " .. range[2], value)
    end
end

-- Operators write texts. One that is not of the type stays what it is.
local function read_text(declaration, value)
    local reader = READERS[declaration.type]
    if type(value) ~= "string" or reader == nil then
        return value
    end
    local result = reader(value)
    if result == nil then
        return value
    end
    return result
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

local function list_keys(declarations)
    local keys = {}
    for key in pairs(declarations) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return next(keys) and table.concat(keys, ", ") or "there is none"
end

-- values: what the operator set, or nil. Returns the settings; raises a line.
function config.check(declarations, values)
    local settings = {}
    values = values or {}
    for key, declaration in pairs(declarations) do
        check_declaration(key, declaration)
        local value = read_text(declaration, values[key])
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
            refuse(tostring(key), "a declared key (" .. list_keys(declarations) .. ")", "another")
        end
    end
    return settings
end

-- What a plugin declares, a line a key, in their order: key, type, default, whether it is required.
function config.describe(declarations)
    local keys, lines = {}, {}
    for key in pairs(declarations) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    for i, key in ipairs(keys) do
        local declaration = declarations[key]
        local default = declaration.default
        local text = default == nil and "" or tostring(default):gsub("%c", " ")
        local required = declaration.required and "required" or ""
        lines[i] = table.concat({ key, declaration.type, text, required }, "\t")
    end
    return table.concat(lines, "\n")
end

return config
