-- SPDX-License-Identifier: Apache-2.0
--
-- The packet of a callback, as a plugin sees it: packet:length(), :source(), :field("ip.ttl"), ...

local host = ...

local ffi, C = host.ffi, host.C
local call, own_packet, own_session = host.call, host.own_packet, host.own_session
local view = host.use("view/view")
local endpoint = host.use("view/endpoint")

local PAYLOAD_MAX_BYTES = 65536

local length_out = ffi.new("size_t[1]")
local endpoint_out = ffi.new("struct packet_endpoint")
local value_out = ffi.new("struct field_value")
local tunnel_out = ffi.new("struct packet_tunnel")
local field_ids = {}

local methods = {}
local Packet = view.class("packet", methods)

function methods.length(self)
    view.check(self, "packet")
    return C.packet_get_wire_length(own_packet())
end

-- Whether it was put together from fragments.
function methods.is_reassembled(self)
    view.check(self, "packet")
    return C.packet_is_reassembled(own_packet())
end

function methods.time_ms(self)
    view.check(self, "packet")
    return view.milliseconds(C.packet_get_time_ns(own_packet()))
end

function methods.protocol(self)
    view.check(self, "packet")
    return C.packet_get_protocol(own_packet())
end

function methods.ip_version(self)
    view.check(self, "packet")
    return C.packet_get_ip_version(own_packet())
end

function methods.tcp_flags(self)
    view.check(self, "packet")
    return C.packet_get_tcp_flags(own_packet())
end

function methods.tcp_window(self)
    view.check(self, "packet")
    return C.packet_get_tcp_window(own_packet())
end

-- What a TCP option says as a string, nil when it is absent.
function methods.tcp_option(self, kind)
    view.check(self, "packet")
    if type(kind) ~= "number" or kind ~= kind or kind < 0 or kind > 255 then
        error("packet:tcp_option: expected a kind from 0 to 255", 2)
    end
    local data = C.packet_get_tcp_option(own_packet(), kind, length_out)
    if data == nil then
        return nil
    end
    return view.text(data, length_out[0], PAYLOAD_MAX_BYTES)
end

function methods.ttl(self)
    view.check(self, "packet")
    return C.packet_get_ttl(own_packet())
end

function methods.ecn(self)
    view.check(self, "packet")
    return C.packet_get_ecn(own_packet())
end

-- An endpoint, or nil when the packet is not IP.
function methods.source(self)
    view.check(self, "packet")
    if C.packet_get_source(own_packet(), endpoint_out) == 0 then
        return endpoint.endpoint(endpoint_out)
    end
end

function methods.destination(self)
    view.check(self, "packet")
    if C.packet_get_destination(own_packet(), endpoint_out) == 0 then
        return endpoint.endpoint(endpoint_out)
    end
end

function methods.source_port(self)
    view.check(self, "packet")
    if C.packet_get_source(own_packet(), endpoint_out) == 0 then
        return endpoint_out.port
    end
end

function methods.destination_port(self)
    view.check(self, "packet")
    if C.packet_get_destination(own_packet(), endpoint_out) == 0 then
        return endpoint_out.port
    end
end

-- How many tunnels the packet came in.
function methods.tunnel_count(self)
    view.check(self, "packet")
    return tonumber(C.packet_get_tunnel_count(own_packet()))
end

-- A tunnel by its depth, 1 being the outermost: a table of kind ("vxlan", ...), identifier, tag
-- and protocol of the outer session, source and destination. A copy; nil past the last.
function methods.tunnel(self, depth)
    view.check(self, "packet")
    if type(depth) ~= "number" or depth ~= math.floor(depth) or depth < 1 then
        error("packet:tunnel: expected a depth from 1 on", 2)
    elseif C.packet_get_tunnel(own_packet(), depth - 1, tunnel_out) ~= 0 then
        return nil
    end
    return {
        kind = ffi.string(C.stellar_tunnel_name(tunnel_out.kind)),
        identifier = tonumber(tunnel_out.identifier),
        tag = tonumber(tunnel_out.tag),
        protocol = tunnel_out.protocol,
        source = endpoint.endpoint(tunnel_out.source),
        destination = endpoint.endpoint(tunnel_out.destination),
    }
end

-- The transport payload as a string of at most limit bytes, "" when there is none.
function methods.payload(self, limit)
    view.check(self, "packet")
    if limit ~= nil and (type(limit) ~= "number" or limit ~= limit or limit < 0) then
        error("packet:payload: expected a number of bytes", 2)
    end
    local data = C.packet_get_payload(own_packet(), length_out)
    return view.text(data, length_out[0], math.min(limit or PAYLOAD_MAX_BYTES, PAYLOAD_MAX_BYTES))
end

local function field_id(name)
    if field_ids[name] == nil then
        local id = type(name) == "string" and C.field_lookup(name) or -1
        if id < 0 then
            error("packet:field: expected a field's name, found " .. tostring(name), 3)
        end
        field_ids[name] = id
    end
    return field_ids[name]
end

-- A field by its dotted name: a number, a string or an address; nil when the packet has none.
function methods.field(self, name)
    view.check(self, "packet")
    if C.field_get(own_session(), field_id(name), value_out) ~= 0 then
        return nil
    elseif value_out.type == C.STELLAR_FIELD_UINT then
        return tonumber(value_out.u)
    elseif value_out.type == C.STELLAR_FIELD_ADDRESS then
        return endpoint.address(value_out.address)
    end
    return view.text(value_out.bytes.data, value_out.bytes.length, PAYLOAD_MAX_BYTES)
end

return function()
    return setmetatable({ call.number }, Packet)
end
