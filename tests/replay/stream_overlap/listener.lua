-- SPDX-License-Identifier: Apache-2.0
--
-- Counts what it hears, and the places at which it does.

local stats = require("stellar.stats")

local data_bytes = stats.counter("data_bytes")
local overlap_bytes = stats.counter("overlap_bytes")
local overlap_places = stats.counter("overlap_places")

local on = {}

function on.tcp_data(_, _, event)
    data_bytes:add(event:length())
end

function on.tcp_overlap(_, _, event)
    if event:data() == "XXX" then
        overlap_bytes:add(event:length())
        overlap_places:add(event:offset())
    end
end

return { name = "listener", version = "1", on = on }
