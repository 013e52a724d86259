-- SPDX-License-Identifier: Apache-2.0
--
-- The event of a callback: event:name(), :direction(), :time_ms(), :reason(), :key(), :data().

local host = ...

local C = host.C
local call, own_event = host.call, host.own_event
local view = host.use("view/view")
local derived = host.use("host/derived")
local new_session = host.use("view/session")

local DATA_MAX_BYTES = 65536

local STREAM_EVENTS = {
    [tonumber(C.STELLAR_EVENT_TCP_DATA)] = true,
    [tonumber(C.STELLAR_EVENT_TCP_GAP)] = true,
    [tonumber(C.STELLAR_EVENT_TCP_OVERLAP)] = true,
}

local names = host.names(C.stellar_event_name)
local reasons = host.names(C.stellar_closing_reason_name)

local methods = {}
local Event = view.class("event", methods)

-- As handlers are named: of a derived event "gate.knocked".
function methods.name(self)
    view.check(self, "event")
    if own_event().type == C.STELLAR_EVENT_DERIVED then
        return derived.name()
    end
    return names[own_event().type]
end

function methods.direction(self)
    view.check(self, "event")
    return own_event().direction
end

function methods.time_ms(self)
    view.check(self, "event")
    return view.milliseconds(own_event().time_ns)
end

-- Why the session closes, with session_closing; else nil.
function methods.reason(self)
    view.check(self, "event")
    if own_event().type == C.STELLAR_EVENT_SESSION_CLOSING then
        return reasons[own_event().reason]
    end
end

-- The slot, with metadata_changed; else nil.
function methods.key(self)
    view.check(self, "event")
    if own_event().type == C.STELLAR_EVENT_METADATA_CHANGED then
        return view.text(own_event().data, own_event().data_length, DATA_MAX_BYTES)
    end
end

-- The bytes, with tcp_data, tcp_overlap, udp_data and derived events; "" when the event has none.
function methods.data(self)
    view.check(self, "event")
    return view.text(own_event().data, own_event().data_length, DATA_MAX_BYTES)
end

-- Place of the bytes in the direction's stream, with tcp_data, tcp_gap and tcp_overlap; else nil.
function methods.offset(self)
    view.check(self, "event")
    if STREAM_EVENTS[own_event().type] then
        return tonumber(own_event().stream_offset)
    end
end

-- Bytes that the event is about; with tcp_gap those that are missing.
function methods.length(self)
    view.check(self, "event")
    return own_event().data_length
end

-- The child, with child_opening; else nil. Its first packet is the one in hand.
function methods.child(self)
    view.check(self, "event")
    if own_event().child ~= nil then
        return new_session(own_event().child)
    end
end

return function()
    return setmetatable({ call.number }, Event)
end
