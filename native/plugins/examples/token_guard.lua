-- SPDX-License-Identifier: Apache-2.0
--
-- Example: looks for a word in the bytes of TCP sessions, wherever segments cut it, and blocks the
-- sessions that carry it. token_guard.c is the same plugin in C; a test holds them to one expected
-- output.
--
-- Events: tcp_data, tcp_gap. It reads with stream:peek: whatever could still become the word stays
-- in the stream until more bytes come, the rest is skipped. A direction is read up to DEPTH_BYTES.
-- Counters: bytes (searched), found, gaps.

local stats = require("stellar.stats")

local TOKEN = "stellar-forbidden"
local DEPTH_BYTES = 65536

local bytes = stats.counter("bytes")
local found = stats.counter("found")
local gaps = stats.counter("gaps")

local on = {}

function on.tcp_data(session, _, event)
    local stream = session:stream(event:direction())
    -- nil: told of the gap; go on behind it.
    local data = stream:peek() or stream:peek()
    if data == nil then
        return
    end
    if event:offset() == 0 then
        stream:set_depth(DEPTH_BYTES)
    end
    if data:find(TOKEN, 1, true) then
        found:add()
        session:block()
    end
    if #data >= #TOKEN then
        bytes:add(#data - (#TOKEN - 1))
        stream:skip(#data - (#TOKEN - 1))
    end
end

function on.tcp_gap()
    gaps:add()
end

return { name = "token_guard", version = "1", fail = "closed", on = on }
