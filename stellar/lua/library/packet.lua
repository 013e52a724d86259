-- SPDX-License-Identifier: Apache-2.0
--
-- require("stellar.packet"): TCP flags as packet:tcp_flags() has them, and IP protocol numbers.

local host = ...

local C = host.C

return {
    FIN = tonumber(C.STELLAR_LUA_TCP_FIN),
    SYN = tonumber(C.STELLAR_LUA_TCP_SYN),
    RST = tonumber(C.STELLAR_LUA_TCP_RST),
    PSH = tonumber(C.STELLAR_LUA_TCP_PSH),
    ACK = tonumber(C.STELLAR_LUA_TCP_ACK),
    URG = tonumber(C.STELLAR_LUA_TCP_URG),
    ECE = tonumber(C.STELLAR_LUA_TCP_ECE),
    CWR = tonumber(C.STELLAR_LUA_TCP_CWR),
    ICMP = 1,
    TCP = 6,
    UDP = 17,
    ICMPV6 = 58,
}
