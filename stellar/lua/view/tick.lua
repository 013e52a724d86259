-- SPDX-License-Identifier: Apache-2.0
--
-- A tick of the plugin on its worker: tick:time_ms(), :worker(), :log("info", text). There is no
-- session.

local host = ...

local C = host.C
local call = host.call
local view = host.use("view/view")
local check_line = host.use("view/line")

local methods = {}
local Tick = view.class("tick", methods)

local function worker_of(self)
    view.check(self, "tick", 4)
    return call.worker or error("tick used outside of a tick", 3) -- made to look like a view of now
end

-- Engine time.
function methods.time_ms(self)
    local worker = worker_of(self)
    return view.milliseconds(C.plugin_worker_get_time_ns(worker))
end

-- The worker's number, from 0 on.
function methods.worker(self)
    local worker = worker_of(self)
    return C.plugin_worker_get_id(worker)
end

-- Writes an event of type plugin. Returns true, or nil and why not: text of more than 1024 bytes is
-- "too long".
function methods.log(self, level, text)
    local worker = worker_of(self)
    local number = check_line("tick:log", level, text)
    return view.result(C.plugin_worker_log(worker, number, text, #text))
end

return function()
    return setmetatable({ call.number }, Tick)
end
