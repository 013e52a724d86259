-- SPDX-License-Identifier: Apache-2.0
-- Does what the first word of a packet's payload says; answers of functions are counted.

local stellar = require("stellar")
local stats = require("stellar.stats")

local done = stats.counter("done")
local refused = stats.counter("refused")

local function count(result)
    if result then
        done:add()
    else
        refused:add()
    end
end

-- Ethernet, a type of nobody's, and some bytes.
local FRAME = "\2\0\0\0\0\2\2\0\0\0\0\1\136\181" .. ("injected"):rep(8)

local words = {}

function words.payload(session, packet)
    count(session:inject_payload(1 - session:direction(), "answer to " .. packet:payload()))
end

function words.both(session)
    count(session:inject_payload(stellar.FORWARD, "there"))
    count(session:inject_payload(stellar.REVERSE, "back"))
    return stellar.DROP
end

function words.icmp(session, packet)
    if packet:ip_version() == 4 then
        count(session:inject_icmp(3, 9))
        count(session:inject_icmp(3, 4))
    else
        count(session:inject_icmp(1, 3))
        count(session:inject_icmp(2, 0))
    end
end

function words.frame(session)
    count(session:inject_frame(stellar.FORWARD, FRAME))
    count(session:inject_frame(stellar.REVERSE, FRAME))
end

function words.many(session)
    for number = 1, 20 do
        count(session:inject_payload(stellar.REVERSE, "number " .. number))
    end
end

function words.held(session)
    count(session:inject_payload(stellar.REVERSE, "wait"))
    session:hold{ ms = 1000, outcome = "pass" }
end

function words.released(session)
    session:release("pass")
    count(session:inject_payload(stellar.REVERSE, "go on"))
end

function words.append(session)
    count(session:inject_payload(stellar.FORWARD, " this"))
    count(session:inject_payload(stellar.FORWARD, " and that"))
    count(session:inject_rst(stellar.FORWARD))
end

function words.drop(session)
    count(session:inject_payload(stellar.REVERSE, "refused"))
    count(session:inject_rst("both"))
    session:block()
end

local on = {}

function on.session_packet(session, packet)
    local word = packet:payload():match("^%a+")
    if packet:protocol() == 1 then
        count(session:inject_icmp(3, 9))
    elseif words[word] ~= nil then
        return words[word](session, packet)
    end
end

function on.session_closing(session)
    count(session:inject_payload(stellar.FORWARD, "too late"))
    -- At the end all sessions close at one time, several workers in no order.
    if session:closing_reason() ~= "shutdown" then
        count(session:inject_frame(stellar.REVERSE, FRAME .. session:originator():text()))
    end
end

return { name = "inject", version = "1", on = on }
