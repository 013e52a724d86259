-- SPDX-License-Identifier: Apache-2.0
--
-- Fails on a datagram that says "boom"; then its sessions go on without it.
-- Events: udp_data. Counters: datagrams.

local stats = require("stellar.stats")

local datagrams = stats.counter("datagrams")

return {
    name = "fragile",
    version = "1",
    fail = "open",
    on = {
        udp_data = function(_, _, event)
            datagrams:add()
            assert(event:data() ~= "boom", "heard it")
        end,
    },
}
