# SPDX-License-Identifier: Apache-2.0
"""A plugin whose code lives in this process (Lua states) as the engine's `struct plugin`."""

from stellar._native cimport capi

from stellar._native.errors import PluginError

_EVENT_IDS = {capi.stellar_event_name(i).decode(): i for i in range(capi.STELLAR_EVENT_COUNT)}


cdef list text_list(const char *const *texts):
    """A NULL-terminated list of names, or NULL for none."""
    result = []
    while texts != NULL and texts[len(result)] != NULL:
        result.append(texts[len(result)].decode("utf-8", "replace"))
    return result


cdef dict describe_plugin(const capi.plugin *plugin):
    """What a plugin declares."""
    return {
        "name": plugin.name.decode(),
        "version": plugin.version.decode("utf-8", "replace"),
        "abi_version": plugin.abi_version,
        "events": [name for name, i in _EVENT_IDS.items() if plugin.events >> <int>i & 1],
        "before": text_list(plugin.before),
        "after": text_list(plugin.after),
        "raises": text_list(plugin.raises),
        "hears": text_list(plugin.hears),
        "settings": text_list(plugin.settings),
        "context_bytes": plugin.context_size,
        "context_persistent_bytes": plugin.context_persistent_size,
        "fail": "open" if plugin.fail_action else "closed",
        "tick_ms": plugin.tick_ms,
    }


cdef class PluginHandle:
    """Owns the structure and the strings it points to; the engine keeps a reference to it.

    `entries`: one mapping a worker, with the addresses of its functions by their names in
    `struct plugin_entries`, `entry` or `deliver` and `batch` at least; `load_entry`: address of
    `int (struct plugin_host *, void **)`, 0 for none. They stay callable without the GIL as long as
    `owner`, which this object keeps, lives.
    """

    def __cinit__(self, *, str name, str version, events, entries, before=(), after=(),
                  int context_size=0, int context_persistent_size=0, bint fail_open=False,
                  settings=(), raises=(), hears=(), int tick_ms=0, size_t load_entry=0,
                  owner=None):
        self.kept = [owner]
        self.entries = tuple(entries)
        if not self.entries:
            raise PluginError(f"plugin {name}: has no entry function")
        self.plugin.abi_version = capi.STELLAR_ABI_VERSION
        self.plugin.struct_size = sizeof(capi.plugin)
        self.plugin.name = self.keep(name)
        self.plugin.version = self.keep(version)
        for event in events:
            if event not in _EVENT_IDS:
                raise PluginError(f"plugin {name}: there is no event {event}")
            self.plugin.events |= (<capi.uint64_t>1) << <int>_EVENT_IDS[event]
        self.plugin.before = self.keep_list(self.before, name, "before", before)
        self.plugin.after = self.keep_list(self.after, name, "after", after)
        self.plugin.settings = self.keep_list(self.settings, name, "settings", settings)
        self.plugin.raises = self.keep_list(self.raises, name, "raises", raises)
        self.plugin.hears = self.keep_list(self.hears, name, "hears", hears)
        self.plugin.context_size = context_size
        self.plugin.context_persistent_size = context_persistent_size
        self.plugin.fail_action = 1 if fail_open else 0
        self.plugin.tick_ms = tick_ms
        self.plugin.load = <int (*)(capi.plugin_host *, void **) noexcept nogil>load_entry
        # Not called where there is `deliver`, but none is refused.
        self.plugin.entry = <capi.plugin_entry_fn><size_t>(
            self.entries[0].get("entry") or self.entries[0]["deliver"])

    cdef int fill_entries(self, size_t worker, capi.plugin_entries *ret_entries) except -1:
        """The functions of one worker."""
        given = self.entries[worker]
        ret_entries.entry = <capi.plugin_entry_fn><size_t>given.get("entry", 0)
        ret_entries.deliver = <capi.plugin_deliver_fn><size_t>given.get("deliver", 0)
        ret_entries.deliver_one = <capi.plugin_deliver_fn><size_t>given.get("deliver_one", 0)
        ret_entries.batch = <capi.plugin_batch *><size_t>given.get("batch", 0)
        ret_entries.tick = <capi.plugin_tick_fn><size_t>given.get("tick", 0)
        ret_entries.context_migrate = <capi.plugin_migrate_fn><size_t>given.get(
            "context_migrate", 0)
        ret_entries.host_data = <void *><size_t>given.get("host_data", 0)
        return 0

    cdef const char *keep(self, str text) except NULL:
        """Bytes of a text that live as long as this object."""
        encoded = text.encode()
        self.kept.append(encoded)
        return encoded

    cdef const char **keep_list(self, const char **room, str name, str what, texts) except NULL:
        """Fill a NULL-terminated list of NAMES_MAX names and the NULL."""
        if len(texts) > NAMES_MAX:
            raise PluginError(f"plugin {name}: more than {NAMES_MAX} names in {what}")
        for i, text in enumerate(texts):
            room[i] = self.keep(text)
        return room
