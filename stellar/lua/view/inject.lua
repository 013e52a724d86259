-- SPDX-License-Identifier: Apache-2.0
--
-- Packets of the plugin's own: session:inject_rst("both"), session:inject_icmp(3, 13),
-- session:inject_payload(stellar.REVERSE, "bytes"), session:inject_frame(stellar.FORWARD, frame).
-- As in inject.h: they leave after the packet in hand.

local host = ...

local C = host.C
local view = host.use("view/view")

local BOTH = C.STELLAR_DIRECTION_COUNT

local function check_direction(what, direction)
    if direction ~= 0 and direction ~= 1 then
        error(what .. ": expected stellar.FORWARD or stellar.REVERSE", 3)
    end
end

local function check_bytes(what, bytes)
    if type(bytes) ~= "string" then
        error(what .. ": expected a string, found a " .. type(bytes), 3)
    end
end

local function check_byte(what, value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < 0 or value > 255 then
        error(what .. ": expected a number from 0 to 255", 3)
    end
end

-- Adds the methods. handle_of: the pointer of a view.
return function(methods, handle_of)
    -- direction: one, or "both".
    function methods.inject_rst(self, direction)
        local session = handle_of(self)
        if direction == "both" then
            return view.result(C.inject_rst(session, BOTH))
        end
        if direction ~= 0 and direction ~= 1 then
            error("session:inject_rst: expected stellar.FORWARD, stellar.REVERSE or \"both\"", 2)
        end
        return view.result(C.inject_rst(session, direction))
    end

    function methods.inject_icmp(self, kind, code)
        local session = handle_of(self)
        check_byte("session:inject_icmp: type", kind)
        check_byte("session:inject_icmp: code", code)
        return view.result(C.inject_icmp(session, kind, code))
    end

    function methods.inject_payload(self, direction, bytes)
        local session = handle_of(self)
        check_direction("session:inject_payload", direction)
        check_bytes("session:inject_payload", bytes)
        return view.result(C.inject_payload(session, direction, bytes, #bytes))
    end

    function methods.inject_frame(self, direction, bytes)
        local session = handle_of(self)
        check_direction("session:inject_frame", direction)
        check_bytes("session:inject_frame", bytes)
        return view.result(C.inject_frame(session, direction, bytes, #bytes))
    end
end
