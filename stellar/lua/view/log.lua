-- SPDX-License-Identifier: Apache-2.0
--
-- What a plugin says of a session: session:log("info", "text") writes an event of type `plugin` to
-- the event output.

local host = ...

local C = host.C
local view = host.use("view/view")
local check_line = host.use("view/line")

-- Adds the method. handle_of: the pointer of a view.
return function(methods, handle_of)
    -- Returns true, or nil and why not: text of more than 1024 bytes is "too long".
    function methods.log(self, level, text)
        local session = handle_of(self)
        local number = check_line("session:log", level, text)
        return view.result(C.session_log(session, number, text, #text))
    end
end
