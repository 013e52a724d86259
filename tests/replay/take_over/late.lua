-- SPDX-License-Identifier: Apache-2.0
--
-- Counts what it hears, after the owner, and the packets on which it sees the owner's label.
-- Events: session_opening, session_packet, session_closing.
-- Counters: openings, packets, closings, labels.

local stats = require("stellar.stats")

local openings = stats.counter("openings")
local packets = stats.counter("packets")
local closings = stats.counter("closings")
local labels = stats.counter("labels")

return {
    name = "late",
    version = "1",
    on = {
        session_opening = function() openings:add() end,
        session_packet = function(session)
            packets:add()
            if session:get_metadata_number("owner.session") == session:id() then
                labels:add()
            end
        end,
        session_closing = function() closings:add() end,
    },
}
