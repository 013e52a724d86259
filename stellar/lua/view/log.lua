-- SPDX-License-Identifier: Apache-2.0
--
-- What a plugin says of a session: session:log("info", "text") writes an event of type `plugin` to
-- the event output.

local host = ...

local C = host.C
local view = host.use("view/view")
host.use("library/log")
local levels = host.log_levels

-- Adds the method. handle_of: the pointer of a view.
return function(methods, handle_of)
    -- Returns true, or nil and why not: text of more than 1024 bytes is "too long".
    function methods.log(self, level, text)
        local session = handle_of(self)
        if levels[level] == nil then
            error("session:log: expected error, warning, info or debug, found " .. tostring(level),
                2)
        elseif type(text) ~= "string" then
            error("session:log: expected a string, found a " .. type(text), 2)
        end
        return view.result(C.session_log(session, levels[level], text, #text))
    end
end
