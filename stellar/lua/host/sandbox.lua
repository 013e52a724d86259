-- SPDX-License-Identifier: Apache-2.0
--
-- What a plugin can reach: a small part of Lua's libraries in copies of its own, and `require` for
-- the libraries of Stellar. No io, os, debug, ffi, package, load, coroutine or bytecode. What
-- would make two runs differ is replaced: `pairs` goes in the order of keys, and no text shows an
-- address.

local host = ...

local debug_getmetatable = debug.getmetatable
local string_find, string_format, string_gsub = string.find, string.format, string.gsub
local string_rep, string_sub = string.rep, string.sub
local table_sort = table.sort
local raw_tostring = tostring

local SOURCE_MAX_BYTES = 1048576
local STRING_MAX_BYTES = 1048576
local ESCAPE = "\27" -- the first byte of compiled Lua

local FUNCTIONS = {
    "assert", "error", "getmetatable", "ipairs", "pcall", "rawequal", "rawget", "rawset", "select",
    "setmetatable", "tonumber", "type", "unpack", "xpcall",
}
local LIBRARIES = {
    bit = {
        "arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift", "rol", "ror", "rshift",
        "tobit", "tohex",
    },
    math = {
        "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "deg", "exp", "floor", "fmod",
        "frexp", "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad",
        "random", "sin", "sqrt", "tan",
    },
    string = {
        "byte", "char", "find", "gmatch", "gsub", "len", "lower", "match", "reverse", "sub",
        "upper",
    },
    table = { "concat", "insert", "remove", "sort" },
}
local REQUIRED = {
    ["stellar"] = "library/stellar",
    ["stellar.log"] = "library/log",
    ["stellar.packet"] = "library/packet",
    ["stellar.session"] = "library/session",
    ["stellar.stats"] = "library/stats",
}

local sandbox = {}

-- Without addresses: they differ from run to run.
function sandbox.tostring(value)
    local kind = type(value)
    if kind == "table" or kind == "function" or kind == "userdata" or kind == "cdata" then
        local metatable = debug_getmetatable(value)
        if metatable == nil or metatable.__tostring == nil then
            return kind
        end
    end
    return raw_tostring(value)
end

local function format(template, ...)
    if string_find(string_gsub(template, "%%%%", ""), "%%[^%a]*p") ~= nil then
        error("string.format: %p is not available in a plugin", 2)
    end
    local values, count = { ... }, select("#", ...)
    for position = 1, count do
        local kind = type(values[position])
        if kind ~= "number" and kind ~= "string" then
            values[position] = sandbox.tostring(values[position])
        end
    end
    return string_format(template, unpack(values, 1, count))
end

local function repeat_text(text, count, separator)
    local size = (#text + #(separator or "")) * count
    if size > STRING_MAX_BYTES then
        error("string.rep: expected at most " .. STRING_MAX_BYTES .. " bytes, found " .. size, 2)
    end
    return string_rep(text, count, separator)
end

local function comes_before(one, other)
    if type(one) ~= type(other) then
        return type(one) < type(other)
    end
    return one < other
end

-- In the order of keys: LuaJIT's own order of string keys differs from run to run.
local function ordered_pairs(values)
    local keys = {}
    for key in pairs(values) do
        if type(key) ~= "number" and type(key) ~= "string" then
            error("pairs: expected keys that are numbers or strings, found a " .. type(key), 2)
        end
        keys[#keys + 1] = key
    end
    table_sort(keys, comes_before)
    local position = 0
    return function()
        repeat
            position = position + 1
        until keys[position] == nil or values[keys[position]] ~= nil
        return keys[position], values[keys[position]]
    end
end

-- A library that a plugin can't change and in which a misspelt name is an error, not nil.
local function protect(name, library)
    return setmetatable({}, {
        __index = function(_, key)
            local value = library[key]
            if value == nil then
                error(name .. " has no " .. sandbox.tostring(key), 2)
            end
            return value
        end,
        __newindex = function()
            error(name .. " can't be changed", 2)
        end,
        __metatable = false,
    })
end

local function copy_library(name)
    local copy = {}
    for _, key in ipairs(LIBRARIES[name]) do
        copy[key] = _G[name][key]
    end
    if name == "string" then
        copy.format = format
        copy.rep = repeat_text
    end
    return copy
end

local function require_library(name)
    local part = REQUIRED[name]
    if part == nil then
        error("require: expected a library of stellar, found " .. sandbox.tostring(name), 2)
    end
    return protect(name, host.use(part))
end

-- The globals of one plugin. Reading another is an error, and so is making one.
function sandbox.environment()
    local environment = {
        pairs = ordered_pairs,
        require = require_library,
        tostring = sandbox.tostring,
    }
    for _, name in ipairs(FUNCTIONS) do
        environment[name] = _G[name]
    end
    for name in pairs(LIBRARIES) do
        environment[name] = copy_library(name)
    end
    -- ("x"):rep() finds the same functions, in a table that no plugin can reach.
    local strings = debug_getmetatable("")
    strings.__index = copy_library("string")
    strings.__metatable = false
    return setmetatable(environment, {
        __index = function(_, name)
            error(sandbox.tostring(name) .. " is not available in a plugin", 2)
        end,
        __newindex = function(_, name)
            error(sandbox.tostring(name) .. " would be a global: declare it local", 2)
        end,
        __metatable = false,
    })
end

-- Returns the plugin file as a function, or nil and one line.
function sandbox.compile(source, environment)
    if #source > SOURCE_MAX_BYTES then
        return nil, "expected at most " .. SOURCE_MAX_BYTES .. " bytes, found " .. #source
    end
    if string_sub(source, 1, 1) == ESCAPE then
        return nil, "expected Lua source, found bytecode"
    end
    return load(source, "=plugin", "t", environment)
end

return sandbox
