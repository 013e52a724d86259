-- SPDX-License-Identifier: Apache-2.0
--
-- Keeping the packet in hand: session:hold{ ms = 200, outcome = "pass" }, session:release("pass").

local host = ...

local ffi, C = host.ffi, host.C
local view = host.use("view/view")

local OUTCOMES = { pass = C.STELLAR_PASS, drop = C.STELLAR_DROP }
local MAX_MS = tonumber(C.STELLAR_LUA_HOLD_MAX_MS)

local request = ffi.new("struct verdict_request")
request.disposition = C.STELLAR_HOLD

local function read_outcome(what, outcome)
    return OUTCOMES[outcome]
        or error(what .. ": expected \"pass\" or \"drop\", found " .. tostring(outcome), 3)
end

-- Adds the methods. handle_of: the pointer of a view.
return function(methods, handle_of)
    -- The packet waits for ms of engine time (1000), then has the outcome ("drop").
    function methods.hold(self, terms)
        local session = handle_of(self)
        terms = terms or {}
        if type(terms) ~= "table" then
            error("session:hold: expected a table, found a " .. type(terms), 2)
        end
        local ms = terms.ms or 1000
        if type(ms) ~= "number" or ms % 1 ~= 0 or ms < 1 or ms > MAX_MS then
            error("session:hold: ms: expected a number from 1 to " .. MAX_MS, 2)
        end
        request.hold_ms = ms
        request.hold_outcome = read_outcome("session:hold: outcome", terms.outcome or "drop")
        return view.result(C.session_set_verdict(session, request))
    end

    -- End what the plugin holds of the session. Returns how many packets those were, or nil and
    -- why not.
    function methods.release(self, outcome)
        local session = handle_of(self)
        local result = C.session_release(session, read_outcome("session:release", outcome))
        if result < 0 then
            return view.result(result)
        end
        return result
    end
end
