-- SPDX-License-Identifier: Apache-2.0
--
-- The string library of a plugin: as Lua's, but its work takes steps of the time budget, no text is
-- longer than STRING_MAX_BYTES, and patterns are matched by libstellar's bounded matcher.

local host = ...

local ffi, C = host.ffi, host.C
local budget = host.use("host/budget")
local step, step_bytes, step_text = budget.step, budget.step_bytes, budget.step_text
local string_byte, string_char, string_find = string.byte, string.char, string.find
local string_gsub = string.gsub
local string_lower, string_rep, string_reverse = string.lower, string.rep, string.reverse
local string_sub, string_upper = string.sub, string.upper
local table_concat = table.concat
local error, tonumber, tostring, type = error, tonumber, tostring, type
local floor, max, min = math.floor, math.max, math.min

local TRIES_PER_STEP = 8 -- characters the matcher tries
local STEPS_PER_SEARCH = 8 -- what a search costs besides: about 0.5 us
local EDQUOT = 122
local SPECIALS = "[%^%$%*%+%?%.%(%[%%%-]"

local steps_in_out = ffi.new("uint64_t[1]")
local match_out = ffi.new("struct pattern_match")

local text = {}

local function read_text(name, position, value)
    if type(value) == "string" then
        return value
    elseif type(value) == "number" then
        return tostring(value)
    end
    error("bad argument #" .. position .. " to '" .. name .. "' (string expected, got "
        .. (value == nil and "no value" or type(value)) .. ")", 3)
end

local function read_count(name, position, value, default)
    value = value == nil and default or tonumber(value)
    if value == nil then
        error("bad argument #" .. position .. " to '" .. name .. "' (number expected)", 3)
    end
    return value ~= value and 0 or value < 0 and -floor(-value) or floor(value)
end

-- Lua's place of a character, from 1 or from the end, as an offset within the text.
local function read_start(value, length)
    local start = value < 0 and length + value or value - 1
    return max(0, min(start, length))
end

local function finish(tries, result)
    local used = tries - tonumber(steps_in_out[0])
    if result == -EDQUOT then
        used = (budget.left() + 1) * TRIES_PER_STEP
    end
    step(STEPS_PER_SEARCH + used / TRIES_PER_STEP)
    if result < 0 then
        budget.refuse(match_out.problem ~= nil and ffi.string(match_out.problem)
            or "malformed pattern")
    end
    return result == 1
end

local function search(subject, pattern, start, is_anchored)
    local tries = floor(budget.left() * TRIES_PER_STEP)
    steps_in_out[0] = tries
    match_out.problem = nil
    return finish(tries, C.pattern_find(subject, #subject, pattern, #pattern, start, is_anchored,
        steps_in_out, match_out))
end

local function search_plain(subject, bytes, start)
    local tries = floor(budget.left() * TRIES_PER_STEP)
    steps_in_out[0] = tries
    return finish(tries, C.pattern_find_plain(subject, #subject, bytes, #bytes, start,
        steps_in_out, match_out))
end

-- A capture of the last match; of a pattern without any, the whole match is the first.
local function capture(subject, position)
    if position >= match_out.capture_count then
        if position ~= 0 then
            budget.refuse("invalid capture index")
        end
        return string_sub(subject, match_out.start + 1, match_out["end"])
    end
    local found = match_out.captures[position]
    if found.length == C.STELLAR_LUA_PATTERN_POSITION then
        return found.offset + 1
    elseif found.length < 0 then
        budget.refuse("unfinished capture")
    end
    return string_sub(subject, found.offset + 1, found.offset + found.length)
end

local function captures_from(subject, position, count)
    if position < count then
        return capture(subject, position), captures_from(subject, position + 1, count)
    end
end

local function captures(subject, count)
    step_bytes(match_out["end"] - match_out.start)
    if count == 1 then
        return (capture(subject, 0))
    end
    return captures_from(subject, 0, count)
end

local function read_pattern(pattern)
    if string_byte(pattern, 1) == 94 then -- "^"
        return string_sub(pattern, 2), true
    end
    return pattern, false
end

function text.find(subject, pattern, init, is_plain)
    subject, pattern = read_text("find", 1, subject), read_text("find", 2, pattern)
    local start = read_start(read_count("find", 3, init, 1), #subject)
    local is_found
    step_bytes(#pattern)
    if is_plain or string_find(pattern, SPECIALS) == nil then
        is_found = search_plain(subject, pattern, start)
    else
        local bare, is_anchored = read_pattern(pattern)
        is_found = search(subject, bare, start, is_anchored)
    end
    if not is_found then
        return nil
    end
    return match_out.start + 1, match_out["end"], captures(subject, match_out.capture_count)
end

function text.match(subject, pattern, init)
    subject, pattern = read_text("match", 1, subject), read_text("match", 2, pattern)
    local start = read_start(read_count("match", 3, init, 1), #subject)
    local bare, is_anchored = read_pattern(pattern)
    if not search(subject, bare, start, is_anchored) then
        return nil
    end
    return captures(subject, max(match_out.capture_count, 1))
end

function text.gmatch(subject, pattern)
    subject, pattern = read_text("gmatch", 1, subject), read_text("gmatch", 2, pattern)
    local start = 0
    return function()
        if start > #subject or not search(subject, pattern, start, false) then
            start = #subject + 1
            return nil
        end
        local last = match_out["end"]
        start = last == match_out.start and last + 1 or last
        return captures(subject, max(match_out.capture_count, 1))
    end
end

-- "%0" to "%9" and "%%" in the text that replaces a match.
local function fill_in(subject, replacement)
    return (string_gsub(replacement, "%%(.?)", function(digit)
        step(1)
        if digit == "0" then
            return string_sub(subject, match_out.start + 1, match_out["end"])
        elseif tonumber(digit) ~= nil then
            return capture(subject, tonumber(digit) - 1)
        end
        return digit
    end))
end

local function replace(subject, replacement, kind)
    local first, last = match_out.start, match_out["end"]
    local whole = string_sub(subject, first + 1, last)
    local value
    if kind == "string" then
        step_bytes(#replacement + #whole)
        value = string_find(replacement, "%", 1, true) and fill_in(subject, replacement)
            or replacement
    elseif kind == "table" then
        value = replacement[capture(subject, 0)]
    else
        value = replacement(captures(subject, max(match_out.capture_count, 1)))
    end
    if not value then
        return whole
    elseif type(value) ~= "string" and type(value) ~= "number" then
        budget.refuse("invalid replacement value (a " .. type(value) .. ")")
    end
    return value
end

function text.gsub(subject, pattern, replacement, limit)
    subject, pattern = read_text("gsub", 1, subject), read_text("gsub", 2, pattern)
    local kind = type(replacement)
    if kind == "number" then
        replacement, kind = tostring(replacement), "string"
    elseif kind ~= "string" and kind ~= "table" and kind ~= "function" then
        error("bad argument #3 to 'gsub' (string/function/table expected, got "
            .. (replacement == nil and "no value" or kind) .. ")", 2)
    end
    limit = read_count("gsub", 4, limit, #subject + 1)
    local bare, is_anchored = read_pattern(pattern)
    local pieces, count, size, place = {}, 0, 0, 0
    -- Here, as in Lua, each place is tried by itself: what was not matched is copied.
    while count < limit and search(subject, bare, place, is_anchored) do
        local first, last = match_out.start, match_out["end"]
        local value = replace(subject, replacement, kind)
        local skipped = string_sub(subject, place + 1, first)
        pieces[#pieces + 1] = skipped
        pieces[#pieces + 1] = value
        size = size + #skipped + #tostring(value)
        count = count + 1
        place = last
        if last == first then -- an empty match takes the next character along
            if first >= #subject then
                place = #subject
                break
            end
            pieces[#pieces + 1] = string_sub(subject, first + 1, first + 1)
            size = size + 1
            place = first + 1
        end
        step_text("string.gsub", size)
        if is_anchored then
            break
        end
    end
    pieces[#pieces + 1] = string_sub(subject, place + 1)
    step_text("string.gsub", size + #subject - place)
    return table_concat(pieces), count
end

function text.rep(subject, count, separator)
    subject = read_text("rep", 1, subject)
    separator = separator == nil and "" or read_text("rep", 3, separator)
    count = max(read_count("rep", 2, count), 0)
    if #subject + #separator == 0 then
        return ""
    end
    step_text("string.rep", (#subject + #separator) * count)
    return string_rep(subject, count, separator)
end

function text.sub(subject, first, last)
    if type(subject) ~= "string" then
        return string_sub(subject, first, last)
    end
    local part = string_sub(subject, first, last or -1)
    step(#part / 256)
    return part
end

local function charge_first(action)
    return function(subject, ...)
        if type(subject) == "string" then
            step_bytes(#subject)
        end
        return action(subject, ...)
    end
end

function text.byte(subject, first, last)
    if last ~= nil and type(subject) == "string" then
        step(#subject / 64) -- at most so many values
    end
    return string_byte(subject, first, last)
end

text.char = string_char
text.len = string.len
text.lower = charge_first(string_lower)
text.reverse = charge_first(string_reverse)
text.upper = charge_first(string_upper)

return text
