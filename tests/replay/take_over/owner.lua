-- SPDX-License-Identifier: Apache-2.0
--
-- Takes sessions to ports 8080 and 8081 over, and gives 8081 back with its third packet.
-- Events: session_opening, session_packet. Context: port, packets. Metadata: owner.session, the id.
-- Counters: packets.

local stats = require("stellar.stats")

local packets = stats.counter("packets")

return {
    name = "owner",
    version = "1",
    after = { "early" },
    before = { "late" },
    context = { port = "uint16", packets = "uint32" },
    on = {
        session_opening = function(session)
            session.context.port = session:responder():port()
            if session.context.port == 53 then
                assert(session:detach())
                return
            end
            assert(session:take_over())
            assert(session:set_metadata("owner.session", session:id()))
        end,
        session_packet = function(session)
            packets:add()
            session.context.packets = session.context.packets + 1
            if session.context.port == 8081 and session.context.packets == 3 then
                assert(session:give_back())
            end
        end,
    },
}
