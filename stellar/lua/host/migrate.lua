-- SPDX-License-Identifier: Apache-2.0
--
-- Contexts of the version before, in Lua.

local host = ...

local ffi, C = host.ffi, host.C

local EINVAL = 22

-- The C function that makes a context of this version from an older one's, 0 when the plugin does
-- not say how, and the layout that a later version reads. host_data is that of the version that
-- made the old one: versions may have one name. No session is at hand: only the contexts are.
-- guard: calls a function for the plugin and returns whether it ran to its end.
return function(guard, migrate, layout, fill)
    host.layout = ffi.new("char[?]", #layout + 1, layout)
    if migrate == nil then
        return 0, host.layout
    end
    local function run(old_version, old_context, fresh, old_layout)
        return fill(migrate, ffi.string(old_version),
            ffi.string(ffi.cast("const char *", old_layout)), old_context, fresh)
    end
    host.migrate = ffi.cast("int (*)(struct session *, const char *, void *, uint32_t, void *)",
        function(session, old_version, old_context, _, fresh)
            local old_layout = C.pm_session_old_host_data(session)
            if old_layout == nil then
                return -EINVAL
            end
            host.migrating = true
            local taken = false
            local done = guard(function()
                taken = run(old_version, old_context, fresh, old_layout)
            end)
            host.migrating = false
            if not done then
                C.pm_session_fail(session)
            end
            return done and taken and 0 or -EINVAL
        end)
    return tonumber(ffi.cast("uintptr_t", ffi.cast("void *", host.migrate))), host.layout
end
