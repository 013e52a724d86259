-- SPDX-License-Identifier: Apache-2.0
--
-- Example: hears what another plugin found out. It writes down which ports port_knock has opened;
-- without that plugin nothing comes. knock_log.c is the same plugin in C; a test holds them to one
-- expected output.
--
-- Hears: port_knock.opened. Counters: heard.

local stats = require("stellar.stats")

local heard = stats.counter("heard")

local on = {}

on["port_knock.opened"] = function(session, _, event)
    heard:add()
    session:log("info", "heard of " .. event:data())
end

return { name = "knock_log", version = "1", fail = "open", on = on }
