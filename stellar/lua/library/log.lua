-- SPDX-License-Identifier: Apache-2.0
--
-- require("stellar.log"): log.error, warning, info, debug("text") while the plugin is loaded. In
-- handlers session:log writes an event instead (view/log.lua).

local host = ...

local C = host.C

local LINES_MAX = 100
local LEVELS = {
    error = tonumber(C.STELLAR_LOG_ERROR),
    warning = tonumber(C.STELLAR_LOG_WARNING),
    info = tonumber(C.STELLAR_LOG_INFO),
    debug = tonumber(C.STELLAR_LOG_DEBUG),
}

local log = {}

host.log_levels = LEVELS
host.log_lines = {} -- kept until the engine calls load

for name, level in pairs(LEVELS) do
    log[name] = function(text)
        if not host.loading then
            error("log." .. name .. ": expected a call while loading, found one in a handler", 2)
        elseif type(text) ~= "string" then
            error("log." .. name .. ": expected a string, found a " .. type(text), 2)
        elseif #host.log_lines < LINES_MAX then
            host.log_lines[#host.log_lines + 1] = { level = level, text = text }
        end
    end
end

return log
