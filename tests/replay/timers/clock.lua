-- SPDX-License-Identifier: Apache-2.0
--
-- Does what the datagrams of a session say: "start 50" starts its timer, "again 50 3" three times
-- in a row, "stop" stops it, "hold 100 release 40" holds the datagram for 100 ms and starts a timer
-- that lets it go after 40. Tells of each timer with its time.

local stats = require("stellar.stats")

local fired = stats.counter("fired")
local released = stats.counter("released")

local on = {}

function on.udp_data(session, _, event)
    local context, text = session.context, event:data()
    local word, first, second = text:match("^(%l+) ?(%d*)[%l ]*(%d*)$")
    if word == "start" then
        session:start_timer(tonumber(first))
    elseif word == "again" then
        context.period, context.left = tonumber(first), tonumber(second)
        session:start_timer(context.period)
    elseif word == "stop" then
        session:stop_timer()
    elseif word == "hold" then
        session:hold{ ms = tonumber(first), outcome = "drop" }
        session:start_timer(tonumber(second))
    end
end

function on.timer(session, _, event)
    local context = session.context
    fired:add()
    session:log("info", "timer at " .. event:time_ms() % 100000)
    local count = session:release("pass")
    if count > 0 then
        released:add(count)
    end
    if context.left > 1 then
        context.left = context.left - 1
        session:start_timer(context.period)
    end
end

return {
    name = "clock",
    version = "1",
    context = { period = "uint32", left = "uint32" },
    on = on,
}
