-- SPDX-License-Identifier: Apache-2.0
--
-- Example: tells each second who sent the most bytes. top_talkers.c is the same plugin in C; a test
-- holds them to one expected output.
--
-- Each worker has a table of its own, and a tick that tells of the largest and empties it. When it
-- is full a new source takes the place of the smallest, and its bytes with it (Metwally et al.,
-- Space-Saving): who sent more than 1 / sources of all bytes is in it; what is told of a source is
-- never too low, and too high by the bytes of the smallest at most.
--
-- Settings: sources, how many a table has room for (256); top, how many are told of (5).
-- Events: session_packet. Counters: bytes, evicted.

local stats = require("stellar.stats")

local bytes = stats.counter("bytes")
local evicted = stats.counter("evicted")

local room, top
local sources = {} -- in the order in which they got their places
local places = {} -- by bytes of the address

local function find_smallest()
    local smallest = 1
    for place = 2, #sources do
        if sources[place].bytes < sources[smallest].bytes then
            smallest = place
        end
    end
    return smallest
end

local function make_place(address)
    local place = #sources + 1
    if place <= room then
        sources[place] = { bytes = 0 }
    else
        place = find_smallest()
        places[sources[place].address:bytes()] = nil
        evicted:add()
    end
    sources[place].address = address
    places[address:bytes()] = place
    return place
end

local on = {}

function on.session_packet(_, packet)
    local address = packet:source():address()
    local source = sources[places[address:bytes()] or make_place(address)]
    source.bytes = source.bytes + packet:length()
    bytes:add(packet:length())
end

local function tell(tick)
    if #sources == 0 then
        return
    end
    table.sort(sources, function(one, other) return one.bytes > other.bytes end)
    local parts = {}
    for place = 1, math.min(top, #sources) do
        parts[place] = sources[place].address:text() .. " " .. sources[place].bytes
    end
    tick:log("info", #sources .. " sources: " .. table.concat(parts, ", "))
    sources, places = {}, {}
end

return {
    name = "top_talkers",
    version = "1",
    fail = "open",
    config = {
        sources = { type = "integer", default = 256, range = { 1, 4096 } },
        top = { type = "integer", default = 5, range = { 1, 10 } },
    },
    configure = function(config)
        room, top = config.sources, config.top
    end,
    tick = { every_ms = 1000, run = tell },
    on = on,
}
