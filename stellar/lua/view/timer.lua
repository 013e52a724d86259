-- SPDX-License-Identifier: Apache-2.0
--
-- The timer of a session: session:start_timer(200) raises the event timer after 200 ms of engine
-- time, session:stop_timer().

local host = ...

local C = host.C
local view = host.use("view/view")

local MAX_MS = tonumber(C.STELLAR_LUA_TIMER_MAX_MS)

-- Adds the methods. handle_of: the pointer of a view.
return function(methods, handle_of)
    -- One that runs is moved. Returns true, or nil and why not: "invalid" when the session closes
    -- or the plugin has no handler on.timer.
    function methods.start_timer(self, ms)
        local session = handle_of(self)
        if type(ms) ~= "number" or ms % 1 ~= 0 or ms < 1 or ms > MAX_MS then
            error("session:start_timer: expected a number of ms from 1 to " .. MAX_MS, 2)
        end
        return view.result(C.timer_start(session, ms))
    end

    function methods.stop_timer(self)
        local session = handle_of(self)
        return view.result(C.timer_stop(session))
    end
end
