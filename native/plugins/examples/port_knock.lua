-- SPDX-License-Identifier: Apache-2.0
--
-- Example: a port that is shut until its client has knocked on three others, in order.
-- port_knock.c is the same plugin in C; a test holds them to one expected output.
--
-- Events: session_opening of TCP and UDP. Raises: opened, with the port that was opened as text.
-- Config: first, second, third (ports), guarded, timeout_ms (from the first knock to the third, and
-- from there to sessions that are let in).
-- Who knocks on which server is state beside sessions: it is each worker's own, the oldest of
-- SOURCES_MAX is forgotten. A client's sessions with one server have one worker.
-- Counters: knocks, opened, let_in, refused.

local packet = require("stellar.packet")
local stats = require("stellar.stats")

local KNOCKS = 3
local SOURCES_MAX = 256
local PORT = { 1, 65535 }

local knocks = stats.counter("knocks")
local opened = stats.counter("opened")
local let_in = stats.counter("let_in")
local refused = stats.counter("refused")

local settings, ports
local sources = {} -- by client and server: since_ms, stage (knocks that were right; KNOCKS: open)
local keys = {} -- of sources, by slot
local next_slot = 1

local function need(key)
    local source = sources[key]
    if source == nil then
        local oldest = keys[next_slot]
        if oldest ~= nil then
            sources[oldest] = nil
        end
        source = { since_ms = 0, stage = 0 }
        sources[key] = source
        keys[next_slot] = key
        next_slot = next_slot % SOURCES_MAX + 1
    end
    return source
end

-- Returns whether this knock opened the port.
local function knock(source, port, now_ms)
    if source.stage > 0 and now_ms - source.since_ms > settings.timeout_ms then
        source.stage = 0
    end
    if source.stage == KNOCKS then
        return false
    elseif port == ports[source.stage + 1] then
        source.stage = source.stage + 1
    else
        source.stage = port == ports[1] and 1 or 0
    end
    if source.stage == 1 or source.stage == KNOCKS then
        source.since_ms = now_ms
    end
    return source.stage == KNOCKS
end

local function judge(session, source, now_ms)
    if source ~= nil and source.stage == KNOCKS
        and now_ms - source.since_ms <= settings.timeout_ms then
        let_in:add()
    else
        refused:add()
        session:block()
    end
end

local function tell(session)
    opened:add()
    session:log("info", "opened " .. settings.guarded)
    session:raise("opened", tostring(settings.guarded))
end

local function session_opening(session, _, event)
    if session:protocol() ~= packet.TCP and session:protocol() ~= packet.UDP then
        return
    end
    local client, server = session:originator(), session:responder()
    local port, now_ms = server:port(), event:time_ms()
    local key = client:address():text() .. " " .. server:address():text()
    if port == settings.guarded then
        judge(session, sources[key], now_ms)
    elseif port == ports[1] or port == ports[2] or port == ports[3] then
        knocks:add()
        if knock(need(key), port, now_ms) then
            tell(session)
        end
    end
end

return {
    name = "port_knock",
    version = "1",
    fail = "closed",
    config = {
        first = { type = "integer", default = 7000, range = PORT },
        second = { type = "integer", default = 8000, range = PORT },
        third = { type = "integer", default = 9000, range = PORT },
        guarded = { type = "integer", default = 22, range = PORT },
        timeout_ms = { type = "integer", default = 10000, range = { 1, 3600000 } },
    },
    configure = function(config)
        settings = config
        ports = { config.first, config.second, config.third }
    end,
    raises = { "opened" },
    on = { session_opening = session_opening },
}
