-- SPDX-License-Identifier: Apache-2.0
--
-- require("stellar.stats"): stats.counter("name") while the plugin is loaded makes a counter of the
-- plugin; counter:add(amount) in a handler adds to it, 1 by default. Totals are over all workers.

local host = ...

local C = host.C
local call = host.call

local AMOUNT_MAX = 2 ^ 53

local stats = {}

host.counter_names = {} -- the engine gives ids in this order

local counter = {}

local function add(self, amount)
    amount = amount or 1
    if host.loading then
        error("counter:add: expected a call in a handler, found one while loading", 2)
    elseif host.migrating then
        error("counter:add: expected a call in a handler, found one in migrate", 2)
    elseif type(amount) ~= "number" or not (amount >= 0 and amount <= AMOUNT_MAX)
        or amount % 1 ~= 0 then
        error("counter:add: expected a whole number from 0 to 2^53", 2)
    elseif type(self) ~= "table" or type(self.id) ~= "number" then
        error("counter:add: expected a counter, found a " .. type(self), 2)
    end
    if call.worker then
        C.plugin_worker_counter_add(call.worker, self.id, amount)
    else
        C.plugin_counter_add(host.own_session(), self.id, amount)
    end
end

counter.__index = { add = add }
counter.__metatable = false

function stats.counter(name)
    if not host.loading then
        error("stats.counter: expected a call while loading, found one in a handler", 2)
    elseif type(name) ~= "string" or not name:match("^[a-z][a-z0-9_]*$") or #name > 63 then
        error("stats.counter: expected a name of a-z, 0-9 and _", 2)
    end
    for position, known in ipairs(host.counter_names) do
        if known == name then
            return setmetatable({ id = position - 1 }, counter)
        end
    end
    host.counter_names[#host.counter_names + 1] = name
    return setmetatable({ id = #host.counter_names - 1 }, counter)
end

return stats
