-- SPDX-License-Identifier: Apache-2.0
--
-- Sessions of one family: session:parent(), session:children(), session:expect{...}.

local host = ...

local ffi, C = host.ffi, host.C
local call = host.call
local view = host.use("view/view")
local endpoint = host.use("view/endpoint")

local TIMEOUT_MAX_MS = 3600000

local originator_in = ffi.new("struct packet_endpoint")
local responder_in = ffi.new("struct packet_endpoint")

local function check_number(name, value, minimum, maximum)
    if type(value) ~= "number" or value % 1 ~= 0 or value < minimum or value > maximum then
        error("session:expect: " .. name .. ": expected a number from " .. minimum .. " to "
            .. maximum, 3)
    end
end

local function read_endpoint(name, value, out)
    local problem = endpoint.read(value, out)
    if problem ~= nil then
        error("session:expect: " .. name .. ": " .. problem, 3)
    end
end

-- Adds the methods. handle_of: the pointer of a view; new_session: a view of a pointer.
return function(methods, handle_of, new_session)
    -- The parent, or nil.
    function methods.parent(self)
        local parent = C.session_get_parent(handle_of(self))
        return parent ~= nil and new_session(parent) or nil
    end

    -- for child in session:children() do: oldest first. A child is there until the next one is.
    function methods.children(self)
        local session, number = handle_of(self), call.number
        local child, place = nil, nil
        return function()
            if number ~= call.number then
                error("session:children walked outside of its callback", 2)
            end
            child = C.session_get_next_child(session, child)
            if place ~= nil then
                call.sessions[place] = nil
            end
            if child == nil then
                return nil
            end
            local result = new_session(child)
            place = call.lent
            return result
        end
    end

    -- Announce a session: protocol, responder, timeout_ms, and originator, nil: anyone. Both are
    -- endpoints, or tables of address (nil: any, of an originator) and port (nil: any).
    function methods.expect(self, claim)
        local session = handle_of(self)
        if type(claim) ~= "table" then
            error("session:expect: expected a table, found a " .. type(claim), 2)
        end
        -- Read once: a metatable may answer otherwise the next time.
        local protocol, timeout_ms = claim.protocol, claim.timeout_ms
        local responder, originator = claim.responder, claim.originator or {}
        check_number("protocol", protocol, 0, 255)
        check_number("timeout_ms", timeout_ms, 1, TIMEOUT_MAX_MS)
        read_endpoint("responder", responder, responder_in)
        read_endpoint("originator", originator, originator_in)
        return view.result(C.expect_session(session, protocol, originator_in, responder_in,
            timeout_ms))
    end
end
