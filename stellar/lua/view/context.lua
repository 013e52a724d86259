-- SPDX-License-Identifier: Apache-2.0
--
-- session.context: the fields a plugin declared, in the engine's memory, one struct a session. They
-- begin as zero (false). Another field, or a value that does not fit, is an error.

local host = ...

local ffi = host.ffi
local call, own_context = host.call, host.own_context

local WHOLE_MAX = 2 ^ 53 -- beyond it a number skips values
local TYPES = {
    bool = { declare = "bool", kind = "boolean" },
    double = { declare = "double", kind = "number" },
    int32 = { declare = "int32_t", kind = "number", minimum = -2 ^ 31, maximum = 2 ^ 31 - 1 },
    int64 = { declare = "int64_t", kind = "number", minimum = -WHOLE_MAX, maximum = WHOLE_MAX },
    uint8 = { declare = "uint8_t", kind = "number", minimum = 0, maximum = 2 ^ 8 - 1 },
    uint16 = { declare = "uint16_t", kind = "number", minimum = 0, maximum = 2 ^ 16 - 1 },
    uint32 = { declare = "uint32_t", kind = "number", minimum = 0, maximum = 2 ^ 32 - 1 },
    uint64 = { declare = "uint64_t", kind = "number", minimum = 0, maximum = WHOLE_MAX },
}
local FIELDS_MAX = 64

local context = {}

local function read_fields(declared)
    local fields, names = {}, {}
    for name, type_name in pairs(declared) do
        if type(name) ~= "string" or not name:match("^[a-z][a-z0-9_]*$") or #name > 63 then
            error("context: expected a field's name of a-z, 0-9 and _", 0)
        elseif TYPES[type_name] == nil then
            error("context." .. name .. ": expected bool, double, int32, int64, uint8, uint16,"
                .. " uint32 or uint64, found " .. tostring(type_name), 0)
        end
        local kind = TYPES[type_name]
        fields[name] = {
            member = "field_" .. name, -- whatever the name, no keyword of C
            kind = kind.kind,
            minimum = kind.minimum,
            maximum = kind.maximum,
            type_name = type_name,
            declare = kind.declare,
        }
        names[#names + 1] = name
    end
    table.sort(names)
    return fields, names
end

local function check_value(name, field, value)
    if type(value) ~= field.kind then
        error("context." .. name .. ": expected a " .. field.kind .. ", found a " .. type(value), 3)
    elseif field.minimum ~= nil and not (value >= field.minimum and value <= field.maximum
        and value % 1 == 0) then
        error("context." .. name .. ": expected a value of " .. field.type_name .. ", found "
            .. value, 3)
    end
end

local function find(fields, view, name)
    if rawget(view, 1) ~= call.number then
        error("session.context used outside of its callback", 3)
    end
    return fields[name] or error("context has no field " .. tostring(name) .. ": declare it", 3)
end

-- declared: the plugin's `context`. Returns the size of the struct in bytes, and a function that
-- makes the view of the callback in progress.
function context.prepare(declared)
    local fields, names = read_fields(declared)
    if #names == 0 or #names > FIELDS_MAX then
        error("context: expected 1 to " .. FIELDS_MAX .. " fields, found " .. #names, 0)
    end
    local members = {}
    for position, name in ipairs(names) do
        members[position] = fields[name].declare .. " " .. fields[name].member .. ";"
    end
    local struct = ffi.typeof("struct { " .. table.concat(members, " ") .. " }")
    local pointer_type = ffi.typeof("$ *", struct)
    local Context = {
        __index = function(view, name)
            local field = find(fields, view, name)
            local value = ffi.cast(pointer_type, own_context())[field.member]
            return field.kind == "number" and tonumber(value) or value
        end,
        __newindex = function(view, name, value)
            local field = find(fields, view, name)
            check_value(name, field, value)
            ffi.cast(pointer_type, own_context())[field.member] = value
        end,
        __tostring = function() return "context" end,
        __metatable = false,
    }
    return ffi.sizeof(struct), function()
        return setmetatable({ call.number }, Context)
    end, context.migration(struct, fields, names)
end

-- The layout of a context as text, for a later version: NAME TYPE OFFSET lines.
local function describe(struct, fields, names)
    local lines = {}
    for position, name in ipairs(names) do
        local field = fields[name]
        lines[position] = name .. " " .. field.type_name .. " "
            .. ffi.offsetof(struct, field.member) .. "\n"
    end
    return table.concat(lines)
end

-- The fields of a context that another version made, of the types that its layout says.
local function read_old(layout, old)
    local values, types = {}, {}
    for name, type_name, offset in layout:gmatch("(%S+) (%S+) (%d+)\n") do
        local kind = TYPES[type_name]
        local pointer = ffi.cast(kind.declare .. " *", ffi.cast("char *", old) + tonumber(offset))
        values[name] = kind.kind == "number" and tonumber(pointer[0]) or pointer[0]
        types[name] = type_name
    end
    return values, types
end

-- How contexts of this struct are made of others: a text for later versions, and a function that
-- fills one and says whether it did. migrate: what the plugin says, true or a function.
function context.migration(struct, fields, names)
    local pointer_type = ffi.typeof("$ *", struct)
    return describe(struct, fields, names), function(migrate, old_version, layout, old, fresh)
        local values, types = read_old(layout, old)
        local taken = values
        if migrate ~= true then
            taken = migrate(old_version, values)
            if taken == nil then
                return false
            elseif type(taken) ~= "table" then
                error("migrate: expected a table of the context's fields or nil, found a "
                    .. type(taken), 0)
            end
        end
        fresh = ffi.cast(pointer_type, fresh)
        for name, value in pairs(taken) do
            local field = fields[name]
            if migrate ~= true then
                if field == nil then
                    error("migrate: context has no field " .. tostring(name), 0)
                end
                check_value(name, field, value)
            end
            if field ~= nil and (migrate ~= true or types[name] == field.type_name) then
                fresh[field.member] = value
            end
        end
        return true
    end
end

return context
