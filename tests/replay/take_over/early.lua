-- SPDX-License-Identifier: Apache-2.0
--
-- Counts what it hears, before the owner.
-- Events: session_opening, session_packet, session_closing. Counters: openings, packets, closings.

local stats = require("stellar.stats")

local openings = stats.counter("openings")
local packets = stats.counter("packets")
local closings = stats.counter("closings")

return {
    name = "early",
    version = "1",
    on = {
        session_opening = function() openings:add() end,
        session_packet = function() packets:add() end,
        session_closing = function() closings:add() end,
    },
}
