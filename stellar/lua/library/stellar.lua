-- SPDX-License-Identifier: Apache-2.0
--
-- require("stellar"): verdicts that a handler returns, and directions.

local host = ...

local C = host.C

return {
    CONTINUE = tonumber(C.STELLAR_CONTINUE),
    PASS = tonumber(C.STELLAR_PASS),
    HOLD = tonumber(C.STELLAR_HOLD),
    DROP = tonumber(C.STELLAR_DROP),
    FORWARD = tonumber(C.STELLAR_FORWARD),
    REVERSE = tonumber(C.STELLAR_REVERSE),
}
