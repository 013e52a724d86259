-- SPDX-License-Identifier: Apache-2.0
--
-- What a plugin does with tables: as Lua's, but work that grows with a table takes steps of the
-- time budget. `pairs` goes in the order of keys: LuaJIT's own order of string keys differs from
-- run to run. Sorting is stable, and bounded whatever the comparison says.

local host = ...

local budget = host.use("host/budget")
local step, step_text = budget.step, budget.step_text
local table_concat, table_insert, table_remove = table.concat, table.insert, table.remove
local raw_pairs, raw_unpack = pairs, unpack
local error, floor, min, rawget, select, type = error, math.floor, math.min, rawget, select, type

local ELEMENTS_PER_STEP = 16 -- moved or read at once

local list = {}

-- The sorted parts from..middle-1 and middle..to-1 of `one` as one sorted part of `other`.
local function merge(one, other, from, middle, to, is_before)
    local left, right = from, middle
    for place = from, to - 1 do
        step(1)
        if right >= to or left < middle and not is_before(one[right], one[left]) then
            other[place] = one[left]
            left = left + 1
        else
            other[place] = one[right]
            right = right + 1
        end
    end
end

local function sort(values, count, is_before)
    local one, other = values, {}
    local width = 1
    while width < count do
        for from = 1, count, 2 * width do
            merge(one, other, from, min(from + width, count + 1), min(from + 2 * width, count + 1),
                is_before)
        end
        one, other = other, one
        width = 2 * width
    end
    return one
end

local function is_less(one, other)
    return one < other
end

function list.sort(values, is_before)
    if type(values) ~= "table" then
        error("bad argument #1 to 'sort' (table expected, got " .. type(values) .. ")", 2)
    elseif is_before ~= nil and type(is_before) ~= "function" then
        error("bad argument #2 to 'sort' (function expected, got " .. type(is_before) .. ")", 2)
    end
    local count = #values
    local copy = {}
    for place = 1, count do
        step(1 / ELEMENTS_PER_STEP)
        copy[place] = rawget(values, place)
    end
    local sorted = sort(copy, count, is_before or is_less)
    for place = 1, count do
        step(1 / ELEMENTS_PER_STEP)
        values[place] = sorted[place]
    end
end

local function comes_before(one, other)
    if type(one) ~= type(other) then
        return type(one) < type(other)
    end
    return one < other
end

function list.pairs(values)
    local keys = {}
    for key in raw_pairs(values) do
        if type(key) ~= "number" and type(key) ~= "string" then
            error("pairs: expected keys that are numbers or strings, found a " .. type(key), 2)
        end
        step(1 / ELEMENTS_PER_STEP)
        keys[#keys + 1] = key
    end
    keys = sort(keys, #keys, comes_before)
    local position = 0
    return function()
        repeat
            position = position + 1
            step(1 / ELEMENTS_PER_STEP)
        until keys[position] == nil or values[keys[position]] ~= nil
        return keys[position], values[keys[position]]
    end
end

function list.concat(values, separator, first, last)
    if type(values) ~= "table" then
        error("bad argument #1 to 'concat' (table expected, got " .. type(values) .. ")", 2)
    end
    first, last = first or 1, last or #values
    if type(first) ~= "number" or type(last) ~= "number" then
        error("bad argument to 'concat' (number expected)", 2)
    end
    local size, gap = 0, type(separator) == "string" and #separator or 24
    for place = first, last do
        step(1 / ELEMENTS_PER_STEP)
        local value = rawget(values, place)
        if value == nil then
            break -- Lua says which
        end
        size = size + gap + (type(value) == "string" and #value or 24)
    end
    step_text("table.concat", size)
    return table_concat(values, separator, first, last)
end

function list.insert(values, ...)
    local count = select("#", ...)
    if type(values) == "table" and count > 1 then
        local place = select(1, ...)
        if type(place) ~= "number" or not (place >= 1 and place <= #values + 1) then
            error("table.insert: expected a place from 1 to " .. #values + 1, 2)
        end
        step((#values + 1 - place) / ELEMENTS_PER_STEP)
    end
    return table_insert(values, ...)
end

function list.remove(values, place)
    if type(values) ~= "table" or place == nil then
        return table_remove(values)
    elseif type(place) ~= "number" then
        error("table.remove: expected a place, found a " .. type(place), 2)
    elseif place >= 1 and place <= #values then
        step((#values - place) / ELEMENTS_PER_STEP)
        return table_remove(values, place)
    end
end

function list.unpack(values, first, last)
    if type(values) == "table" then
        first, last = tonumber(first or 1), tonumber(last or #values)
        if first ~= nil and last ~= nil and last >= first then
            step(floor(min(last - first, 65536) / ELEMENTS_PER_STEP))
        end
    end
    return raw_unpack(values, first or 1, last)
end

return list
