-- SPDX-License-Identifier: Apache-2.0
--
-- require("stellar.session"): names that session:state(), session:tcp_state() and
-- session:closing_reason() give, as constants: session.ACTIVE, session.TCP_ESTABLISHED,
-- session.CLOSED_TIMEOUT.

local host = ...

local C = host.C

local session = {}

local function add(prefix, names)
    for _, name in pairs(names) do
        session[prefix .. name:upper()] = name
    end
end

add("", host.names(C.stellar_session_state_name, tonumber(C.STELLAR_SESSION_OPENING)))
add("TCP_", host.names(C.stellar_tcp_state_name))
add("CLOSED_", host.names(C.stellar_closing_reason_name))

return session
