-- SPDX-License-Identifier: Apache-2.0
--
-- One direction of a TCP session's bytes: session:stream(direction). See <stellar/stream.h>, whose
-- rules these methods have. Requests return true, or nil and why not.

local host = ...

local ffi, C = host.ffi, host.C
local call, own_session = host.call, host.own_session
local view = host.use("view/view")

local PEEK_MAX_BYTES = 1048576
local WHOLE_MAX = 2 ^ 53

local data_out = ffi.new("const uint8_t *[1]")
local length_out = ffi.new("size_t[1]")
local offset_out = ffi.new("uint64_t[1]")

local methods = {}
local Stream = view.class("stream", methods)

local function check_count(what, count)
    if type(count) ~= "number" or not (count >= 0 and count <= WHOLE_MAX) or count % 1 ~= 0 then
        error(what .. ": expected a number of bytes", 3)
    end
end

-- The bytes from the plugin's place on, at most limit, as a string; or nil and why not: "lost" when
-- bytes were lost, once.
function methods.peek(self, limit)
    view.check(self, "stream")
    if limit ~= nil then
        check_count("stream:peek", limit)
    end
    local result = C.stream_peek(own_session(), self[2], data_out, length_out)
    if result ~= 0 then
        return view.result(result)
    end
    return view.text(data_out[0], length_out[0], math.min(limit or PEEK_MAX_BYTES, PEEK_MAX_BYTES))
end

-- Move the plugin's place over so many bytes.
function methods.skip(self, count)
    view.check(self, "stream")
    check_count("stream:skip", count)
    return view.result(C.stream_skip(own_session(), self[2], count))
end

-- The plugin's place, or nil and why not.
function methods.offset(self)
    view.check(self, "stream")
    local result = C.stream_get_offset(own_session(), self[2], offset_out)
    if result ~= 0 then
        return view.result(result)
    end
    return tonumber(offset_out[0])
end

-- Want so many bytes more, from the plugin's place on; nil: no end.
function methods.set_depth(self, depth)
    view.check(self, "stream")
    if depth == nil then
        return view.result(C.stream_set_depth(own_session(), self[2], -1ULL))
    end
    check_count("stream:set_depth", depth)
    return view.result(C.stream_set_depth(own_session(), self[2], depth))
end

return function(direction)
    return setmetatable({ call.number, direction }, Stream)
end
