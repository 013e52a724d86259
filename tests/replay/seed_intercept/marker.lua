-- SPDX-License-Identifier: Apache-2.0
--
-- Marks sessions to port 9999 as intercepted, before the seed's plugin sees them, and counts those
-- that the seed's plugin intercepted.
-- Events: session_opening, session_closing. Metadata: fw_action, 1 for intercept.
-- Counters: intercepted.

local stats = require("stellar.stats")

local INTERCEPT = 1
local intercepted = stats.counter("intercepted")

return {
    name = "marker",
    version = "1",
    before = { "seed_intercept" },
    on = {
        session_opening = function(session)
            if session:responder():port() == 9999 then
                session:set_metadata("fw_action", INTERCEPT)
            end
        end,
        session_closing = function(session)
            if session:responder():port() == 8080
                and session:get_metadata_number("fw_action") == INTERCEPT then
                intercepted:add()
            end
        end,
    },
}
