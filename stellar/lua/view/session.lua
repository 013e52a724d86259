-- SPDX-License-Identifier: Apache-2.0
--
-- The session of a callback, or one of its family, as a plugin sees it. Requests return true, or
-- nil and why not. A view has its place in call.sessions, where the pointers are; 0: the
-- callback's own.

local host = ...

local ffi, C = host.ffi, host.C
local call, own_session = host.call, host.own_session
local view = host.use("view/view")
local endpoint = host.use("view/endpoint")
local family = host.use("view/family")
local hold = host.use("view/hold")
local inject = host.use("view/inject")
local log = host.use("view/log")
local raise = host.use("view/raise")
local timer = host.use("view/timer")
local new_stream = host.use("view/stream")

local METADATA_MAX_BYTES = 65536
local REPLIES = { rst = C.STELLAR_REPLY_RST, icmp = C.STELLAR_REPLY_ICMP }
-- Numbers in metadata are C integers of this many bytes.
local INTEGERS = { [1] = "int8_t *", [2] = "int16_t *", [4] = "int32_t *", [8] = "int64_t *" }
local WHOLE_MAX = 2 ^ 53

local states = host.names(C.stellar_session_state_name, tonumber(C.STELLAR_SESSION_OPENING))
local tcp_states = host.names(C.stellar_tcp_state_name)
local reasons = host.names(C.stellar_closing_reason_name)

local endpoint_out = ffi.new("struct packet_endpoint")
local value_out = ffi.new("void *[1]")
local size_out = ffi.new("size_t[1]")
local number_in = ffi.new("int64_t[1]")

local methods = {}
local Session = view.class("session", methods)

-- The pointer of a view. A child that a walk has left behind has none any more.
local function handle_of(self)
    view.check(self, "session", 4)
    local place = rawget(self, 2)
    if place == 0 then
        return own_session()
    end
    return call.sessions[place]
        or error("session used after the walk went on to the next", 3)
end

local function check_own(self, what)
    view.check(self, "session", 4)
    if rawget(self, 2) ~= 0 then
        error(what .. ": expected the session of the callback", 3)
    end
end

local function check_direction(what, direction)
    if direction ~= 0 and direction ~= 1 then
        error(what .. ": expected stellar.FORWARD or stellar.REVERSE", 3)
    end
end

local function check_key(what, key)
    if type(key) ~= "string" then
        error(what .. ": expected a key, found a " .. type(key), 3)
    end
end

function methods.id(self)
    local session = handle_of(self)
    return tonumber(C.session_get_id(session))
end

function methods.originator(self)
    local session = handle_of(self)
    C.session_get_originator(session, endpoint_out)
    return endpoint.endpoint(endpoint_out)
end

function methods.responder(self)
    local session = handle_of(self)
    C.session_get_responder(session, endpoint_out)
    return endpoint.endpoint(endpoint_out)
end

function methods.protocol(self)
    local session = handle_of(self)
    return C.session_get_protocol(session)
end

function methods.state(self)
    local session = handle_of(self)
    return states[tonumber(C.session_get_state(session))]
end

-- nil when it is not TCP.
function methods.tcp_state(self)
    local session = handle_of(self)
    local state = tonumber(C.session_get_tcp_state(session))
    return state ~= 0 and tcp_states[state] or nil
end

function methods.direction(self)
    local session = handle_of(self)
    return tonumber(C.session_get_direction(session))
end

function methods.tag(self)
    local session = handle_of(self)
    return C.session_get_tag(session)
end

function methods.packets(self, direction)
    local session = handle_of(self)
    check_direction("session:packets", direction)
    return tonumber(C.session_get_packets(session, direction))
end

function methods.bytes(self, direction)
    local session = handle_of(self)
    check_direction("session:bytes", direction)
    return tonumber(C.session_get_bytes(session, direction))
end

function methods.start_ms(self)
    local session = handle_of(self)
    return view.milliseconds(C.session_get_start_ns(session))
end

function methods.last_ms(self)
    local session = handle_of(self)
    return view.milliseconds(C.session_get_last_ns(session))
end

-- nil while it is open.
function methods.closing_reason(self)
    local session = handle_of(self)
    local reason = tonumber(C.session_get_closing_reason(session))
    return reason ~= 0 and reasons[reason] or nil
end

-- value: a string, kept as its bytes, or a whole number, kept as an int64_t.
function methods.set_metadata(self, key, value)
    local session = handle_of(self)
    check_key("session:set_metadata", key)
    if type(value) == "string" and #value <= METADATA_MAX_BYTES then
        return view.result(C.session_copy_metadata(session, key, value, #value))
    elseif type(value) == "number" and value % 1 == 0 and math.abs(value) <= WHOLE_MAX then
        number_in[0] = value
        return view.result(C.session_copy_metadata(session, key, number_in, 8))
    end
    error("session:set_metadata: expected a string of at most " .. METADATA_MAX_BYTES
        .. " bytes or a whole number", 2)
end

-- The bytes of a value as a string, or nil.
function methods.get_metadata(self, key)
    local session = handle_of(self)
    check_key("session:get_metadata", key)
    if C.session_get_metadata(session, key, value_out, size_out) ~= 0 then
        return nil
    end
    return view.text(value_out[0], size_out[0], METADATA_MAX_BYTES)
end

-- A value of 1, 2, 4 or 8 bytes as the signed C integer it is, or nil.
function methods.get_metadata_number(self, key)
    local session = handle_of(self)
    check_key("session:get_metadata_number", key)
    if C.session_get_metadata(session, key, value_out, size_out) ~= 0
        or value_out[0] == nil then
        return nil
    end
    local kind = INTEGERS[tonumber(size_out[0])]
    return kind ~= nil and tonumber(ffi.cast(kind, value_out[0])[0]) or nil
end

function methods.del_metadata(self, key)
    local session = handle_of(self)
    check_key("session:del_metadata", key)
    return view.result(C.session_del_metadata(session, key))
end

function methods.drop(self)
    local session = handle_of(self)
    return view.result(C.session_drop_current_packet(session))
end

-- Drop the packet and the rest of the session, answering with "rst" or "icmp".
function methods.reject(self, reply)
    local session = handle_of(self)
    if REPLIES[reply] == nil then
        error("session:reject: expected \"rst\" or \"icmp\", found " .. tostring(reply), 2)
    end
    return view.result(C.session_reject(session, REPLIES[reply]))
end

-- Drop the packet and the rest of the session without an answer.
function methods.block(self)
    local session = handle_of(self)
    return view.result(C.session_reject(session, C.STELLAR_REPLY_NONE))
end

function methods.detach(self)
    local session = handle_of(self)
    return view.result(C.pm_session_detach_me(session))
end

function methods.take_over(self)
    local session = handle_of(self)
    return view.result(C.pm_session_take_over(session))
end

function methods.give_back(self)
    local session = handle_of(self)
    return view.result(C.pm_session_give_back(session))
end

function methods.lock(self)
    local session = handle_of(self)
    return view.result(C.session_lock(session, C.pm_session_plugin_id(session)))
end

function methods.unlock(self)
    local session = handle_of(self)
    return view.result(C.session_unlock(session, C.pm_session_plugin_id(session)))
end

function methods.bypass(self)
    local session = handle_of(self)
    return view.result(C.session_bypass(session))
end

function methods.set_ratelimit_group(self, group_id)
    local session = handle_of(self)
    if type(group_id) ~= "number" or group_id % 1 ~= 0 or group_id < 0 or group_id > 2 ^ 32 - 1 then
        error("session:set_ratelimit_group: expected a group's number", 2)
    end
    return view.result(C.session_set_ratelimit_group(session, group_id))
end

-- The bytes of one direction.
function methods.stream(self, direction)
    check_own(self, "session:stream")
    check_direction("session:stream", direction)
    return new_stream(direction)
end

-- session.context is a field, everything else a method.
Session.__index = function(self, key)
    if key == "context" then
        check_own(self, "session.context")
        local context = host.open_context()
        return context
    end
    return methods[key] or error("session has no " .. tostring(key), 2)
end

-- A view of the callback's own session, or of one that the engine lent for the callback's length.
local function new_session(pointer)
    local place = 0
    if pointer ~= nil then
        place = call.lent + 1
        call.lent = place
        call.sessions[place] = pointer
    end
    return setmetatable({ call.number, place }, Session)
end

family(methods, handle_of, new_session)
hold(methods, handle_of)
inject(methods, handle_of)
log(methods, handle_of)
raise(methods, handle_of)
timer(methods, handle_of)

return new_session
