-- SPDX-License-Identifier: Apache-2.0
--
-- Judges a line that a plugin logs. what: the function that was called. Returns the level's number.

local host = ...

host.use("library/log")
local levels = host.log_levels

return function(what, level, text)
    if levels[level] == nil then
        error(what .. ": expected error, warning, info or debug, found " .. tostring(level), 3)
    elseif type(text) ~= "string" then
        error(what .. ": expected a string, found a " .. type(text), 3)
    end
    return levels[level]
end
