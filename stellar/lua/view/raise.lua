-- SPDX-License-Identifier: Apache-2.0
--
-- Telling other plugins: session:raise("knocked", data) raises an event that the plugin lists in
-- `raises`; others hear it as on["gate.knocked"].

local host = ...

local C = host.C
local view = host.use("view/view")
local derived = host.use("host/derived")

local DATA_MAX_BYTES = tonumber(C.STELLAR_LUA_DERIVED_DATA_MAX)

-- Adds the method. handle_of: the pointer of a view.
return function(methods, handle_of)
    -- Returns true, or nil and why not: data of more than 256 bytes is "too long".
    function methods.raise(self, name, data)
        local session = handle_of(self)
        local number = derived.number(name)
        data = data or ""
        if number == nil then
            error("session:raise: expected an event of the plugin's raises, found "
                .. tostring(name), 2)
        elseif type(data) ~= "string" then
            error("session:raise: expected a string, found a " .. type(data), 2)
        elseif #data > DATA_MAX_BYTES then
            return nil, "too long"
        end
        return view.result(C.session_raise_event(session, number, data, #data))
    end
end
