-- SPDX-License-Identifier: Apache-2.0
--
-- Writes down what it hears of a session's bytes in counters: how many, in which order (a checksum
-- of places and values), and what is missing.

local stats = require("stellar.stats")

local bytes = stats.counter("bytes")
local checksum = stats.counter("checksum")
local gap_bytes = stats.counter("gap_bytes")
local texts = {
    ["GET "] = stats.counter("text_get"),
    ["/index"] = stats.counter("text_index"),
    [".html\r\n"] = stats.counter("text_html"),
    one = stats.counter("text_one"),
    two = stats.counter("text_two"),
}

local on = {}

function on.tcp_data(_, _, event)
    local data = event:data()
    texts[data]:add(1)
    bytes:add(#data)
    for place = 1, #data do
        checksum:add((event:offset() + place) * data:byte(place))
    end
end

function on.tcp_gap(_, _, event)
    gap_bytes:add(event:length())
    checksum:add(event:offset() * 1000)
end

return { name = "recorder", version = "1", on = on }
