-- SPDX-License-Identifier: Apache-2.0
--
-- Example: holds what a client sends to UDP port 9000 until its session says the word. word_gate.c
-- is the same plugin in C; a test holds them to one expected output.
--
-- "open": what was held goes its way, and so does the rest. "shut": it is dropped, and the session
-- blocked. Neither within HOLD_MS: it is dropped.
--
-- Events: session_packet. Context: is_open. Counters: held, released.

local stats = require("stellar.stats")

local PORT = 9000
local HOLD_MS = 200

local held = stats.counter("held")
local released = stats.counter("released")

local on = {}

function on.session_packet(session, packet)
    if session.context.is_open or packet:destination_port() ~= PORT then
        return
    end
    local word = packet:payload()
    if word == "open" then
        session.context.is_open = true
        released:add(session:release("pass"))
    elseif word == "shut" then
        released:add(session:release("drop"))
        session:block()
    else
        held:add()
        session:hold{ ms = HOLD_MS, outcome = "drop" }
    end
end

return {
    name = "word_gate",
    version = "1",
    fail = "closed",
    context = { is_open = "bool" },
    on = on,
}
