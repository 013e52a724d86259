-- SPDX-License-Identifier: Apache-2.0
--
-- Example: resets both sides of unwanted TCP sessions, and blocks them. tcp_reset.c is the same
-- plugin in C; a test holds them to one expected output.
--
-- Unwanted is a session to the port of the setting `port`, from its first packet on, and one in
-- which a segment to the responder begins with the bytes of the setting `word`. A verdict's reply
-- (session:reject("rst")) answers the sender of the packet in hand alone; here the other side hears
-- of it, too.
--
-- Events: session_packet. Counters: reset, failed.

local stellar = require("stellar")
local packets = require("stellar.packet")
local stats = require("stellar.stats")

local reset = stats.counter("reset")
local failed = stats.counter("failed")

local settings = {}

local function is_unwanted(session, packet, event)
    if settings.port ~= 0 and session:responder():port() == settings.port then
        return true
    end
    return event:direction() == stellar.FORWARD and settings.word ~= ""
        and packet:payload():sub(1, #settings.word) == settings.word
end

local on = {}

function on.session_packet(session, packet, event)
    if session:protocol() ~= packets.TCP or not is_unwanted(session, packet, event) then
        return
    end
    local is_done = session:inject_rst("both")
    local counter = is_done and reset or failed
    counter:add()
    session:block()
end

return {
    name = "tcp_reset",
    version = "1",
    fail = "closed",
    config = {
        port = { type = "integer", default = 0, range = { 0, 65535 } },
        word = { type = "string", default = "" },
    },
    configure = function(config)
        settings = config
    end,
    on = on,
}
