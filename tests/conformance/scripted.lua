-- SPDX-License-Identifier: Apache-2.0
--
-- A plugin that does what its setting `script` says, and logs each call. scripted.c is the same in
-- C; README.md tells of the script. What stands between @ is written in before it is loaded.

local packet_library = require("stellar.packet")
local stellar = require("stellar")

local EVENTS = { "@EVENTS@" }
local HEARS = { "@HEARS@" }
local PROTOCOLS = { tcp = packet_library.TCP, udp = packet_library.UDP, icmp = packet_library.ICMP }
local LABELS = { [packet_library.TCP] = "tcp", [packet_library.UDP] = "udp",
    [packet_library.ICMP] = "icmp" }

local rules = {} -- { event, ordinal or nil, protocol or nil, direction or nil, actions }

local function word_of(result, why)
    return result and "ok" or (why:gsub(" ", "_"))
end

local function label_of(session)
    return (LABELS[session:protocol()] or "other") .. "/" .. session:originator():port()
end

local details = {
    session_closing = function(_, event) return event:reason() end,
    tcp_data = function(_, event) return '"' .. event:data() .. '"' end,
    tcp_gap = function(_, event) return tostring(event:length()) end,
    metadata_changed = function(_, event) return event:key() end,
    child_opening = function(_, event) return label_of(event:child()) end,
    timer = function(session, event)
        return event:time_ms() - session:start_ms() .. "ms"
    end,
}
details.tcp_overlap = details.tcp_data
details.udp_data = details.tcp_data
details.derived = details.tcp_data

local function split(argument)
    return argument:match("^([^/]*)/(.*)$")
end

local function announce(session, argument)
    local protocol, port, timeout_ms = argument:match("^(%a+)/(%d+)/(%d+)$")
    return session:expect{
        protocol = PROTOCOLS[protocol], timeout_ms = tonumber(timeout_ms),
        responder = { address = session:responder():address(), port = tonumber(port) },
    }
end

local function hold(session, argument)
    local ms, outcome = argument:match("^(%d+)/?(%a*)$")
    return session:hold{ ms = tonumber(ms), outcome = outcome ~= "" and outcome or "drop" }
end

local function set(session, argument)
    return session:set_metadata(split(argument))
end

-- Requests whose answer is true, or nil and why not.
local requests = {
    detach = function(session) return session:detach() end,
    take_over = function(session) return session:take_over() end,
    give_back = function(session) return session:give_back() end,
    lock = function(session) return session:lock() end,
    unlock = function(session) return session:unlock() end,
    bypass = function(session) return session:bypass() end,
    pass = function() return true end, -- the handler returns it
    hold = hold,
    release = function(session, argument) return session:release(argument) end,
    drop = function(session) return session:drop() end,
    reject = function(session, argument)
        if argument == "" then
            return session:block()
        end
        return session:reject(argument)
    end,
    set = set,
    own = set,
    del = function(session, argument) return session:del_metadata(argument) end,
    expect = announce,
    timer = function(session, argument) return session:start_timer(tonumber(argument)) end,
    stop = function(session) return session:stop_timer() end,
    raise = function(session, argument)
        local name, data = argument:match("^([^/]*)/?(.*)$")
        return session:raise(name, data)
    end,
}

local function children_of(session)
    local labels = {}
    for child in session:children() do
        labels[#labels + 1] = label_of(child)
    end
    return #labels > 0 and table.concat(labels, ",") or "none"
end

-- What an action says, in a word.
local answers = {
    get = function(session, argument) return session:get_metadata(argument) or "none" end,
    children = children_of,
    label = label_of,
    fail = function() return "asked" end,
}
answers.get_own = answers.get

local function act(session, event, action)
    local whose, name = action.name:match("^(%a+)%.(.*)$")
    local target = session
    if whose == "parent" then
        target = session:parent()
    elseif whose == "child" then
        target = event:child()
    end
    name = name or action.name
    if target == nil then
        return "nobody"
    elseif answers[name] ~= nil then
        return answers[name](target, action.argument)
    end
    return word_of(requests[name](target, action.argument))
end

local function is_meant(rule, session, event, ordinal)
    return (rule.ordinal == nil or rule.ordinal == ordinal)
        and (rule.protocol == nil or rule.protocol == session:protocol())
        and (rule.direction == nil or rule.direction == event:direction())
end

local function handle(name, session, event)
    local context = session.context
    context.calls = context.calls + 1
    context[name] = context[name] + 1
    local direction = event:direction() == stellar.FORWARD and "forward" or "reverse"
    local text = { label_of(session), event:name(), direction, tostring(context.calls) }
    if details[name] ~= nil then
        text[#text + 1] = details[name](session, event)
    end
    local verdict, is_failing
    for _, rule in ipairs(rules) do
        if rule.event == name and is_meant(rule, session, event, context[name]) then
            for _, action in ipairs(rule.actions) do
                local label = action.name .. (action.argument ~= "" and ":" or "")
                text[#text + 1] = label .. action.argument .. "=" .. act(session, event, action)
                verdict = action.name == "pass" and stellar.PASS or verdict
                is_failing = is_failing or action.name == "fail"
            end
        end
    end
    session:log("info", table.concat(text, " "))
    if is_failing then
        error("as the script says", 0)
    end
    return verdict
end

local function read_rule(line)
    local rule = { actions = {} }
    local selectors, actions = line:match("^([^:]*):(.*)$")
    for word in selectors:gmatch("[^%s]+") do
        if word == "forward" or word == "reverse" then
            rule.direction = word == "forward" and stellar.FORWARD or stellar.REVERSE
        elseif PROTOCOLS[word] ~= nil then
            rule.protocol = PROTOCOLS[word]
        else
            local event, ordinal = word:match("^([a-z_]+)@?(%d*)$")
            rule.event, rule.ordinal = event, tonumber(ordinal)
        end
    end
    for name, argument in actions:gmatch("([%w_.]+)=?([^%s,]*)") do
        rule.actions[#rule.actions + 1] = { name = name, argument = argument }
    end
    return rule
end

local on = {}
local context = { calls = "uint32" }
for _, name in ipairs(EVENTS) do
    context[name] = "uint32"
    on[name] = function(session, _, event)
        return handle(name, session, event)
    end
end
for _, name in ipairs(HEARS) do
    context.derived = "uint32"
    on[name] = function(session, _, event)
        return handle("derived", session, event)
    end
end

return {
    name = "@NAME@", version = "1",
    fail = "@FAIL@",
    before = { "@BEFORE@" }, after = { "@AFTER@" },
    raises = { "@RAISES@" },
    context = context,
    config = { script = { type = "string", default = "" } },
    configure = function(settings)
        for line in settings.script:gmatch("[^;]+") do
            if line:match("%S") then
                rules[#rules + 1] = read_rule(line)
            end
        end
    end,
    on = on,
}
