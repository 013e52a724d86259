-- SPDX-License-Identifier: Apache-2.0
--
-- Fails with each session.
-- Events: session_opening.

return {
    name = "broken",
    version = "1",
    on = {
        session_opening = function() error("no luck") end,
    },
}
