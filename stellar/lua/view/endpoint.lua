-- SPDX-License-Identifier: Apache-2.0
--
-- Addresses and endpoints as values: copies, which a plugin may keep. address:text(), :version(),
-- :bytes(); endpoint:address(), :port(), :text(). Equal values compare equal.

local host = ...

local ffi, libc = host.ffi, host.ffi.C

ffi.cdef("const char *inet_ntop(int family, const void *address, char *text, uint32_t size);")

local FAMILY = { [4] = 2, [6] = 10 } -- AF_INET, AF_INET6
local LENGTH = { [4] = 4, [6] = 16 }
local TEXT_SIZE = 46 -- INET6_ADDRSTRLEN
local text_buffer = ffi.new("char[?]", TEXT_SIZE)

local endpoint = {}

local Address = {}
Address.__index = Address

function Address:version()
    return self[1]
end

function Address:bytes()
    return self[2]
end

function Address:text()
    local version, bytes = self[1], self[2] -- may have been changed by the plugin
    if FAMILY[version] == nil or type(bytes) ~= "string" or #bytes ~= LENGTH[version] then
        return "none"
    end
    return ffi.string(libc.inet_ntop(FAMILY[version], bytes, text_buffer, TEXT_SIZE))
end

Address.__tostring = Address.text
Address.__metatable = false

function Address.__eq(one, other)
    return one[1] == other[1] and one[2] == other[2]
end

local Endpoint = {}
Endpoint.__index = Endpoint

function Endpoint:address()
    return self[1]
end

function Endpoint:port()
    return self[2]
end

function Endpoint:text()
    local template = self[1]:version() == 6 and "[%s]:%d" or "%s:%d"
    return template:format(self[1]:text(), self[2])
end

Endpoint.__tostring = Endpoint.text
Endpoint.__metatable = false

function Endpoint.__eq(one, other)
    return one[1] == other[1] and one[2] == other[2]
end

-- From a struct ip_address.
function endpoint.address(address)
    local version = address.version
    return setmetatable({ version, ffi.string(address.bytes, LENGTH[version] or 0) }, Address)
end

-- From a struct packet_endpoint.
function endpoint.endpoint(value)
    return setmetatable({ endpoint.address(value.address), value.port }, Endpoint)
end

-- Fill a struct packet_endpoint from an endpoint, or from a table with address and port, either of
-- which may be nil. Returns what is wrong with the value, or nil.
function endpoint.read(value, out)
    if type(value) ~= "table" then
        return "expected an endpoint, found a " .. type(value)
    end
    local is_endpoint = rawequal(getmetatable(value), false)
    local address = rawget(value, is_endpoint and 1 or "address")
    local port = rawget(value, is_endpoint and 2 or "port") or 0
    if type(port) ~= "number" or port % 1 ~= 0 or port < 0 or port > 65535 then
        return "expected a port from 0 to 65535"
    end
    ffi.fill(out, ffi.sizeof(out))
    out.port = port
    if address == nil then
        return nil
    end
    if type(address) ~= "table" then
        return "expected an address, found a " .. type(address)
    end
    local version, bytes = rawget(address, 1), rawget(address, 2)
    if LENGTH[version] == nil or type(bytes) ~= "string" or #bytes ~= LENGTH[version] then
        return "expected an address"
    end
    out.address.version = version
    ffi.copy(out.address.bytes, bytes, #bytes)
    return nil
end

return endpoint
