-- SPDX-License-Identifier: Apache-2.0
--
-- Example: counts sessions, packets and bytes by protocol, and blocks telnet. session_logger.c is
-- the same plugin in C; a test holds them to one expected output.
--
-- Events: session_opening, session_packet, session_closing. Context: packets seen of the session.
-- Metadata: session_logger.service, the text "telnet", on the sessions it blocks.
-- Counters: sessions_P, packets_P, bytes_P for P of tcp, udp, icmp, other; blocked; replied
-- (sessions in which both sides spoke); packets_long (packets of sessions that have 10 or more).

local stellar = require("stellar")
local packet_library = require("stellar.packet")
local stats = require("stellar.stats")

local PORT_TELNET = 23
local LONG_SESSION_PACKETS = 10
local CLASS_NAMES = { "tcp", "udp", "icmp", "other" }
local CLASSES = {
    [packet_library.TCP] = "tcp",
    [packet_library.UDP] = "udp",
    [packet_library.ICMP] = "icmp",
    [packet_library.ICMPV6] = "icmp",
}

local function counters(prefix)
    local by_class = {}
    for _, name in ipairs(CLASS_NAMES) do
        by_class[name] = stats.counter(prefix .. name)
    end
    return by_class
end

local sessions, packets, bytes = counters("sessions_"), counters("packets_"), counters("bytes_")
local blocked = stats.counter("blocked")
local replied = stats.counter("replied")
local packets_long = stats.counter("packets_long")

local function class_of(session)
    return CLASSES[session:protocol()] or "other"
end

local on = {}

function on.session_opening(session)
    sessions[class_of(session)]:add()
    if session:protocol() == packet_library.TCP and session:responder():port() == PORT_TELNET then
        session:set_metadata("session_logger.service", "telnet")
        session:block()
        blocked:add()
    end
end

function on.session_packet(session)
    session.context.packets = session.context.packets + 1
end

function on.session_closing(session)
    local class = class_of(session)
    local reverse = session:packets(stellar.REVERSE)
    packets[class]:add(session:packets(stellar.FORWARD) + reverse)
    bytes[class]:add(session:bytes(stellar.FORWARD) + session:bytes(stellar.REVERSE))
    if reverse > 0 then
        replied:add()
    end
    if session.context.packets >= LONG_SESSION_PACKETS then
        packets_long:add(session.context.packets)
    end
end

return {
    name = "session_logger",
    version = "1",
    fail = "open",
    context = { packets = "uint32" },
    on = on,
}
