-- SPDX-License-Identifier: Apache-2.0
--
-- Example: knows which sessions TFTP transfers are (RFC 1350). The server answers a request from a
-- port of its own, so the transfer is another session: the plugin announces it, and it arrives as a
-- child of the request's. tftp.c is the same plugin in C; a test holds them to one expected output.
--
-- Events: udp_data, child_opening, session_closing. Context: none.
-- Metadata: tftp.file, the name of the file, on the request's session and on the transfer's.
-- Counters: reads, writes, malformed (requests); refused (announcements); transfers, bytes (those
-- of transfers that have closed).

local stellar = require("stellar")
local packet_library = require("stellar.packet")
local stats = require("stellar.stats")

local PORT_TFTP = 69
local READ, WRITE = 1, 2
local ANSWER_MS = 5000
local FILE_KEY = "tftp.file"

local requests = { [READ] = stats.counter("reads"), [WRITE] = stats.counter("writes") }
local malformed = stats.counter("malformed")
local refused = stats.counter("refused")
local transfers = stats.counter("transfers")
local bytes = stats.counter("bytes")

-- Opcode and file name, or nil.
local function read_request(data)
    local high, opcode = data:byte(1, 2)
    local ending = data:find("\0", 3, true)
    if high ~= 0 or requests[opcode] == nil or ending == nil or ending == 3 then
        return nil
    end
    return opcode, data:sub(3, ending - 1)
end

local on = {}

function on.udp_data(session, _, event)
    if session:responder():port() ~= PORT_TFTP or event:direction() ~= stellar.FORWARD then
        return
    end
    local opcode, file = read_request(event:data())
    if opcode == nil then
        malformed:add()
        return
    end
    requests[opcode]:add()
    session:set_metadata(FILE_KEY, file)
    if not session:expect({
        protocol = packet_library.UDP,
        originator = { address = session:responder():address() },
        responder = session:originator(),
        timeout_ms = ANSWER_MS,
    }) then
        refused:add()
    end
end

function on.child_opening(session, _, event)
    local file = session:get_metadata(FILE_KEY)
    if file ~= nil then
        event:child():set_metadata(FILE_KEY, file)
    end
end

function on.session_closing(session)
    if session:parent() ~= nil and session:get_metadata(FILE_KEY) ~= nil then
        transfers:add()
        bytes:add(session:bytes(stellar.FORWARD) + session:bytes(stellar.REVERSE))
    end
end

return { name = "tftp", version = "1", fail = "open", on = on }
