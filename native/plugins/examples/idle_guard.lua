-- SPDX-License-Identifier: Apache-2.0
--
-- Example: ends TCP sessions of clients that connect and then say nothing. idle_guard.c is the same
-- plugin in C; a test holds them to one expected output.
--
-- Setting: idle_ms, how long after the handshake the client may be silent (5000). Then a line tells
-- of it, and the session is reset with its next packet.
--
-- Events: session_active, session_packet, timer. Context: is_idle. Counters: watched, idle.

local stellar = require("stellar")
local protocols = require("stellar.packet")
local stats = require("stellar.stats")

local watched = stats.counter("watched")
local idle = stats.counter("idle")

local idle_ms
local on = {}

function on.session_active(session)
    if session:protocol() == protocols.TCP and session:start_timer(idle_ms) then
        watched:add()
    end
end

function on.session_packet(session, packet, event)
    if session.context.is_idle then
        session:reject("rst")
    elseif event:direction() == stellar.FORWARD and #packet:payload(1) > 0 then
        session:detach() -- which stops the timer
    end
end

function on.timer(session)
    session.context.is_idle = true
    idle:add()
    session:log("warning", "silent for " .. idle_ms .. " ms after its handshake")
end

return {
    name = "idle_guard",
    version = "1",
    fail = "open",
    context = { is_idle = "bool" },
    config = {
        idle_ms = { type = "integer", default = 5000, range = { 1, 86400000 } },
    },
    configure = function(config)
        idle_ms = config.idle_ms
    end,
    on = on,
}
