-- SPDX-License-Identifier: Apache-2.0
--
-- What a plugin can reach: a small part of Lua's libraries in copies of its own, and `require` for
-- the libraries of Stellar. No io, os, debug, ffi, package, load, coroutine or bytecode. What
-- would make two runs differ is replaced: `pairs` goes in the order of keys, and no text shows an
-- address.

local host = ...

local budget = host.use("host/budget")
local list = host.use("host/list")
local new_format = host.use("host/format")
local text = host.use("host/text")

local debug_getmetatable = debug.getmetatable
local string_sub = string.sub
local raw_tostring = tostring

local SOURCE_MAX_BYTES = 1048576
local ESCAPE = "\27" -- the first byte of compiled Lua

local FUNCTIONS = {
    "assert", "error", "getmetatable", "ipairs", "rawequal", "rawget", "rawset", "select", "type",
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
    string = {}, -- see OWN
    table = {},
}
-- Those that take steps of the time budget, from host/text.lua and host/list.lua.
local OWN = {
    string = {
        "byte", "char", "find", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub",
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
        if type(metatable) ~= "table" or rawget(metatable, "__tostring") == nil then
            return kind
        end
    end
    return raw_tostring(value)
end

local function to_number(value, base)
    if type(value) == "string" then
        budget.step_bytes(4 * #value)
    end
    if base == nil then
        return tonumber(value)
    end
    return tonumber(value, base)
end

-- As Lua's, but for weak tables: what is in them depends on when memory was collected.
local function set_metatable(values, metatable)
    if type(metatable) == "table" and rawget(metatable, "__mode") ~= nil then
        error("setmetatable: __mode is not available in a plugin", 2)
    end
    return setmetatable(values, metatable)
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
    for _, own in ipairs(OWN[name] or {}) do
        copy[own] = (name == "string" and text or list)[own]
    end
    if name == "string" then
        copy.format = new_format(sandbox.tostring)
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
        pairs = list.pairs,
        pcall = budget.pcall,
        require = require_library,
        setmetatable = set_metatable,
        tonumber = to_number,
        tostring = sandbox.tostring,
        unpack = list.unpack,
        xpcall = budget.xpcall,
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

-- Returns the plugin file as a function, or nil and one line. checked: the source with the checks
-- of the time budget; what LuaJIT says of the source itself is what the developer is told.
function sandbox.compile(source, checked, environment)
    if #source > SOURCE_MAX_BYTES then
        return nil, "expected at most " .. SOURCE_MAX_BYTES .. " bytes, found " .. #source
    end
    if string_sub(source, 1, 1) == ESCAPE then
        return nil, "expected Lua source, found bytecode"
    end
    local chunk, problem = load(source, "=plugin", "t", environment)
    if chunk ~= nil then
        chunk, problem = load(checked, "=plugin", "t", environment)
    end
    if chunk == nil then
        return nil, problem
    end
    return chunk(budget.step, budget.join)
end

return sandbox
