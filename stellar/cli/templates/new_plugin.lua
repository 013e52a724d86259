-- SPDX-License-Identifier: Apache-2.0
--
-- new_plugin: counts the packets of each session, logs them when it closes, and blocks sessions to
-- one port.
-- Events: session_opening, session_packet, session_closing. Context: packets.
-- Settings: blocked_port. Counters: sessions, blocked.

local stats = require("stellar.stats")

local sessions = stats.counter("sessions")
local blocked = stats.counter("blocked")
local blocked_port

local on = {}

function on.session_opening(session)
    sessions:add()
    if session:responder():port() == blocked_port then
        session:block()
        blocked:add()
    end
end

function on.session_packet(session)
    session.context.packets = session.context.packets + 1
end

function on.session_closing(session)
    session:log("info", "port " .. session:responder():port() .. ", packets: "
        .. session.context.packets)
end

return {
    name = "new_plugin",
    version = "1",
    fail = "open",
    context = { packets = "uint32" },
    config = { blocked_port = { type = "integer", default = 23, range = { 1, 65535 } } },
    configure = function(config)
        blocked_port = config.blocked_port
    end,
    on = on,
}
