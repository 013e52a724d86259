# SPDX-License-Identifier: Apache-2.0
"""A plugin whose code lives in this process (Lua states) as the engine's `struct plugin`."""

from stellar._native cimport capi

from stellar._native.errors import PluginError

_EVENT_IDS = {capi.stellar_event_name(i).decode(): i for i in range(capi.STELLAR_EVENT_COUNT)}


cdef class PluginHandle:
    """Owns the structure and the strings it points to; the engine keeps a reference to it.

    `entries`: addresses of functions `void (struct session *, void *)`, one a worker;
    `load_entry`: address of `int (struct plugin_host *, void **)`, 0 for none. They stay callable
    without the GIL as long as `owner`, which this object keeps, lives.
    """

    def __cinit__(self, *, str name, str version, events, entries, before=(), after=(),
                  int context_size=0, int context_persistent_size=0, bint fail_open=False,
                  size_t load_entry=0, owner=None):
        self.kept = [owner]
        self.entries = tuple(entries)
        if not self.entries:
            raise PluginError(f"plugin {name}: has no entry function")
        if len(before) > 64 or len(after) > 64:
            raise PluginError(f"plugin {name}: more than 64 names in before or after")
        self.plugin.abi_version = capi.STELLAR_ABI_VERSION
        self.plugin.struct_size = sizeof(capi.plugin)
        self.plugin.name = self.keep(name)
        self.plugin.version = self.keep(version)
        for event in events:
            if event not in _EVENT_IDS:
                raise PluginError(f"plugin {name}: there is no event {event}")
            self.plugin.events |= (<capi.uint64_t>1) << <int>_EVENT_IDS[event]
        for i, other in enumerate(before):
            self.before[i] = self.keep(other)
        for i, other in enumerate(after):
            self.after[i] = self.keep(other)
        self.plugin.before = self.before
        self.plugin.after = self.after
        self.plugin.context_size = context_size
        self.plugin.context_persistent_size = context_persistent_size
        self.plugin.fail_action = 1 if fail_open else 0
        self.plugin.load = <int (*)(capi.plugin_host *, void **) noexcept nogil>load_entry
        self.plugin.entry = <capi.plugin_entry_fn><size_t>self.entries[0]

    cdef const char *keep(self, str text) except NULL:
        """Bytes of a text that live as long as this object."""
        encoded = text.encode()
        self.kept.append(encoded)
        return encoded
