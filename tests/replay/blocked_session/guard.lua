-- SPDX-License-Identifier: Apache-2.0
--
-- Blocks a session whose datagrams contain "attack".
-- Events: udp_data. Counters: blocked.

local stats = require("stellar.stats")

local blocked = stats.counter("blocked")

return {
    name = "guard",
    version = "1",
    on = {
        udp_data = function(session, _, event)
            if event:data():find("attack", 1, true) then
                session:block()
                blocked:add()
            end
        end,
    },
}
