# SPDX-License-Identifier: Apache-2.0
"""One `Engine` owns one `struct engine`."""

from libc.errno cimport EINVAL
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from stellar._native cimport capi
from stellar._native.errors cimport check
from stellar._native.figures cimport Figures
from stellar._native.plugin cimport PluginHandle, describe_plugin

from stellar._native.errors import EngineStateError, PluginError, PolicyError, StellarError

cdef enum:
    ERROR_SIZE = 1024

_FULL_ACTIONS = {
    "evict_embryonic": capi.STELLAR_FULL_EVICT_EMBRYONIC,
    "drop_new": capi.STELLAR_FULL_DROP_NEW,
    "pass_untracked": capi.STELLAR_FULL_PASS_UNTRACKED,
}
_EVENT_TYPES = {
    "flow": capi.STELLAR_EVE_FLOW,
    "drop": capi.STELLAR_EVE_DROP,
    "anomaly": capi.STELLAR_EVE_ANOMALY,
    "stats": capi.STELLAR_EVE_STATS,
    "plugin": capi.STELLAR_EVE_PLUGIN,
}

_REPLAY_ENDS = {
    capi.STELLAR_REPLAY_FINISHED: "finished",
    capi.STELLAR_REPLAY_CUT: "cut",
    capi.STELLAR_REPLAY_DAMAGED: "damaged",
    capi.STELLAR_REPLAY_STOPPED: "stopped",
    capi.STELLAR_REPLAY_PLUGIN: "plugin",
}


def timeout_defaults():
    """Default idle timeouts in seconds, by the names of `struct session_timeouts`."""
    cdef capi.engine_config config
    capi.engine_config_init(&config)
    return config.timeouts


def limit_defaults():
    """Default limits of what a worker may keep, by the names of `struct engine_limits`."""
    cdef capi.engine_config config
    capi.engine_config_init(&config)
    return config.limits


cdef list target_profiles():
    return [capi.stellar_target_profile_name(i).decode()
            for i in range(capi.STELLAR_TARGET_PROFILE_COUNT)]


def names():
    """Names of the public enumerations, by kind, in their C order."""
    return {
        "drop_reason": [capi.stellar_drop_reason_name(i).decode()
                        for i in range(capi.STELLAR_DROP_REASON_COUNT)],
        "closing_reason": [capi.stellar_closing_reason_name(i).decode()
                           for i in range(capi.STELLAR_CLOSING_REASON_COUNT)],
        "event": [capi.stellar_event_name(i).decode() for i in range(capi.STELLAR_EVENT_COUNT)],
        "raised_event": [capi.stellar_event_name(i).decode()
                         for i in range(capi.STELLAR_EVENT_COUNT)
                         if capi.stellar_event_is_raised(i)],
        "decode_event": [capi.stellar_decode_event_name(i).decode()
                         for i in range(capi.STELLAR_DECODE_EVENT_COUNT)],
        "target_profile": target_profiles(),
    }


cdef class Engine(Figures):
    """The data path. Set it up, start it, run each worker on a thread of its own, stop it.

    `run_worker` releases the GIL and returns when the engine stops or its captures end. Methods
    raise the exceptions of `stellar._native.errors`.
    """

    cdef list plugins  # registered versions that live: what they point to must be there
    cdef int running
    cdef readonly int workers

    def __cinit__(self, *, int workers=1, int burst_size=64, uint64_t session_capacity=1 << 20,
                  full_action="evict_embryonic", bint verify_checksums=True, bint inline=False,
                  bint pass_malformed=False, bint midstream=True, hash_seed=(0, 0),
                  timeouts=None, limits=None, target_profile="linux", bint asymmetric=False,
                  bint urgent_inline=False, bint tunnel_parents=False,
                  uint64_t first_session_id=1):
        cdef capi.engine_config config
        cdef char error[ERROR_SIZE]
        error[0] = 0
        capi.engine_config_init(&config)
        config.worker_count = workers
        self.workers = max(workers, 1)
        config.burst_size = burst_size
        config.session_capacity = session_capacity
        config.full_action = _FULL_ACTIONS[full_action]
        config.verify_checksums = verify_checksums
        config.is_inline = inline
        config.pass_malformed = pass_malformed
        config.midstream = midstream
        config.asymmetric = asymmetric
        config.urgent_inline = urgent_inline
        config.tunnel_parents = tunnel_parents
        config.hash_seed[0], config.hash_seed[1] = hash_seed
        config.first_session_id = first_session_id
        if timeouts is not None:
            config.timeouts = {**config.timeouts, **timeouts}
        if limits is not None:
            config.limits = {**config.limits, **limits}
        config.target_profile = target_profiles().index(target_profile)
        self.plugins = []
        check(capi.engine_create(&config, &self.handle, error, ERROR_SIZE), error, StellarError)

    def __dealloc__(self):
        self.close()

    def close(self):
        """Free the engine. Idempotent; workers must have returned."""
        if self.handle != NULL and not self.running:
            capi.engine_destroy(self.handle)
            self.handle = NULL

    def add_interface(self, str name, str uri):
        """Add an interface by device URI; returns its id."""
        cdef char error[ERROR_SIZE]
        error[0] = 0
        return check(capi.engine_add_interface(self.get(), name.encode(), uri.encode(), error,
                                               ERROR_SIZE), error, StellarError)

    def add_wire(self, int interface_a, int interface_b, *, bint pass_non_ip=True):
        """Join two interfaces transparently."""
        cdef char error[ERROR_SIZE]
        error[0] = 0
        check(capi.engine_add_wire(self.get(), interface_a, interface_b, pass_non_ip, error,
                                   ERROR_SIZE), error, StellarError)

    def add_tap(self, int interface_id, output_id=None):
        """Listen on an interface; what passes is sent out of `output_id` if given."""
        cdef char error[ERROR_SIZE]
        cdef uint16_t output = 0xffff if output_id is None else output_id
        error[0] = 0
        check(capi.engine_add_tap(self.get(), interface_id, output, error, ERROR_SIZE), error,
              StellarError)

    def add_target(self, bytes prefix, int prefix_length, str profile):
        """Hosts of a prefix (4 or 16 bytes) put overlapping pieces together as a profile does."""
        cdef char error[ERROR_SIZE]
        cdef capi.ip_address address
        error[0] = 0
        memset(&address, 0, sizeof(address))
        address.version = 4 if len(prefix) == 4 else 6 if len(prefix) == 16 else 0
        if address.version != 0:
            memcpy(address.bytes, <const char *>prefix, len(prefix))
        check(capi.engine_add_target(self.get(), &address, prefix_length,
                                     target_profiles().index(profile), error, ERROR_SIZE),
              error, StellarError)

    def load_plugin(self, str path):
        """Load a C plugin from a shared object; returns its id."""
        cdef char error[ERROR_SIZE]
        error[0] = 0
        return check(capi.engine_load_plugin(self.get(), path.encode(), error, ERROR_SIZE), error,
                     PluginError)

    def reload_plugin(self, str name, str path):
        """Put another version of a C plugin in the place of the one in force, after `start`."""
        cdef char error[ERROR_SIZE]
        cdef capi.engine *handle = self.get()
        cdef bytes file = path.encode()
        cdef const char *file_name = file
        cdef uint16_t plugin_id = self.find_plugin(name)
        cdef int result
        error[0] = 0
        with nogil:
            result = capi.engine_reload_plugin(handle, plugin_id, file_name, error, ERROR_SIZE)
        self.drop_plugins()
        check(result, error, PluginError)

    def replace_plugin(self, PluginHandle plugin not None):
        """The same with a plugin made in this process, of the name it has."""
        cdef char error[ERROR_SIZE]
        cdef capi.engine *handle = self.get()
        cdef uint16_t plugin_id = self.find_plugin(plugin.plugin.name.decode())
        cdef capi.plugin_entries *entries
        cdef size_t count = len(plugin.entries)
        cdef int result
        error[0] = 0
        if count != <size_t>self.workers:
            raise PluginError(f"plugin: expected functions for {self.workers} workers")
        entries = <capi.plugin_entries *>calloc(count, sizeof(capi.plugin_entries))
        if entries == NULL:
            raise MemoryError()
        try:
            for worker in range(count):
                plugin.fill_entries(worker, &entries[worker])
            with nogil:
                result = capi.engine_replace_plugin(handle, plugin_id, &plugin.plugin, entries,
                                                    error, ERROR_SIZE)
        finally:
            free(entries)
        self.plugins.append(plugin)
        self.drop_plugins()
        check(result, error, PluginError)

    cdef uint16_t find_plugin(self, str name) except? 0xffff:
        cdef int plugin_id = capi.engine_find_plugin(self.get(), name.encode())
        if plugin_id < 0:
            raise PluginError(f"plugin {name}: is not loaded", -plugin_id)
        return <uint16_t>plugin_id

    cdef int drop_plugins(self) except -1:
        """Let go of registered versions that the engine has unloaded."""
        self.plugins = [plugin for plugin in self.plugins
                        if capi.engine_has_plugin(self.handle, &(<PluginHandle>plugin).plugin)]
        return 0

    def collect_plugins(self):
        """Unload versions that nothing pins any more; returns how many old ones are left."""
        cdef capi.engine *handle = self.get()
        cdef size_t left
        with nogil:
            left = capi.engine_collect_plugins(handle)
        self.drop_plugins()
        return left

    def add_plugin(self, PluginHandle plugin not None):
        """Register a plugin made in this process; returns its id."""
        cdef char error[ERROR_SIZE]
        cdef capi.plugin_entries entries
        cdef uint32_t worker
        cdef int plugin_id
        error[0] = 0
        plugin_id = check(capi.engine_add_plugin(self.get(), &plugin.plugin, NULL, error,
                                                 ERROR_SIZE), error, PluginError)
        for worker in range(len(plugin.entries)):
            plugin.fill_entries(worker, &entries)
            check(capi.engine_set_plugin_entries(self.get(), plugin_id, worker, &entries), NULL,
                  PluginError)
        self.plugins.append(plugin)
        return plugin_id

    @property
    def plugin_owners(self):
        """What owns the code of the plugins registered with `add_plugin`."""
        owners = [(<PluginHandle>plugin).kept[0] for plugin in self.plugins]
        return [owner for owner in owners if owner is not None]

    def describe_plugin(self, uint16_t plugin_id):
        """What a plugin declares, whether it was loaded or registered."""
        cdef const capi.plugin *plugin = capi.engine_get_plugin(self.get(), plugin_id)
        if plugin == NULL:
            raise PluginError(f"there is no plugin {plugin_id}")
        return describe_plugin(plugin)

    def set_plugin_setting(self, int plugin_id, str key, str value):
        """Give a plugin a setting, before `start`."""
        cdef char error[ERROR_SIZE]
        error[0] = 0
        check(capi.engine_set_plugin_setting(self.get(), plugin_id, key.encode(), value.encode(),
                                             error, ERROR_SIZE), error, PluginError)

    def set_event_output(self, str path, types):
        """Write EVE lines of these types to a path, or to standard output for `-`."""
        cdef char error[ERROR_SIZE]
        cdef uint32_t mask = 0
        error[0] = 0
        for name in types:
            mask |= <uint32_t>_EVENT_TYPES[name]
        check(capi.engine_set_event_output(self.get(), path.encode(), mask, error, ERROR_SIZE),
              error, StellarError)

    def reopen_events(self):
        """Close and open the event file again."""
        check(capi.engine_reopen_events(self.get()), NULL, EngineStateError)

    def set_recording(self, str path, uint64_t size, uint32_t seconds=0):
        """Record what the workers take in into an empty directory, at most `size` bytes."""
        cdef char error[ERROR_SIZE]
        error[0] = 0
        check(capi.engine_set_recording(self.get(), path.encode(), size, seconds, error,
                                        ERROR_SIZE), error, StellarError)

    @property
    def hash_seed(self):
        """The secret of the tables' hashes, two numbers; after `start`."""
        cdef uint64_t seed[2]
        capi.engine_get_hash_seed(self.get(), seed)
        return (seed[0], seed[1])

    def replay(self, str path, texts=(), uint64_t time_ns=0):
        """Replay a recording, to the first event that has all texts or to a time; says how far."""
        cdef char error[ERROR_SIZE]
        cdef capi.engine *handle = self.get()
        cdef capi.replay_until until
        cdef capi.replay_position position
        cdef bytes name = path.encode()
        cdef const char *directory = name
        cdef int result
        kept = [each.encode() for each in texts]
        if len(kept) > capi.STELLAR_UNTIL_TEXTS_MAX:
            raise EngineStateError(f"replay: expected at most {capi.STELLAR_UNTIL_TEXTS_MAX} texts")
        memset(&until, 0, sizeof(until))
        until.time_ns = time_ns
        until.text_count = len(kept)
        for i in range(len(kept)):
            until.texts[i] = <const char *>(<bytes>kept[i])
        error[0] = 0
        with nogil:
            result = capi.engine_replay(handle, directory, &until, &position, error, ERROR_SIZE)
        check(result, error, StellarError)
        return {
            "end": _REPLAY_ENDS[position.end],
            "bursts": position.bursts,
            "packets": position.packets,
            "time_ns": position.time_ns,
            "diverged_packet": position.diverged_packet,
            "lost_packets": position.lost_packets,
            "resumed": position.resumed,
            "generation": position.generation,
            "plugin_id": position.plugin_id,
            "plugin_version": position.plugin_version,
            "line": (<const char *>position.line).decode("utf-8", "replace"),
        }

    def add_session_directory(self, str path):
        """Keep sessions in a directory of a tmpfs or hugetlbfs, for the engine after this one."""
        cdef char error[ERROR_SIZE]
        error[0] = 0
        check(capi.engine_add_session_directory(self.get(), path.encode(), error, ERROR_SIZE),
              error, StellarError)

    def set_mark_file(self, str path):
        """Note in a file which plugin each worker is in; returns whom the last engine died in.

        That is None, or the plugin's name and whether it did not come back (else it crashed).
        """
        cdef char error[ERROR_SIZE]
        cdef int is_stuck = 0
        cdef const char *name
        error[0] = 0
        check(capi.engine_set_mark_file(self.get(), path.encode(), error, ERROR_SIZE), error,
              StellarError)
        name = capi.engine_get_blamed_plugin(self.get(), &is_stuck)
        return None if name == NULL else (name.decode("utf-8", "replace"), bool(is_stuck))

    def disable_plugin(self, str name):
        """Disable a plugin: its fail action holds. After `start`."""
        check(capi.engine_disable_plugin(self.get(), name.encode()), NULL, PluginError)

    def start_watchdog(self, uint32_t stuck_ms):
        """End the process when a worker comes to no burst boundary for so long."""
        check(capi.engine_start_watchdog(self.get(), stuck_ms), NULL, EngineStateError)

    def add_observer(self, events, uint32_t capacity):
        """Tell an observer of events; returns its id and a descriptor for each worker's ring."""
        cdef int descriptors[capi.STELLAR_WORKERS_MAX]
        cdef uint64_t mask = 0
        cdef int observer_id
        known = names()["event"]
        for event in events:
            if event not in known:
                raise StellarError(f"there is no event {event}", EINVAL)
            mask |= (<uint64_t>1) << <int>known.index(event)
        observer_id = check(capi.engine_add_observer(self.get(), mask, capacity, descriptors),
                            NULL, StellarError)
        return observer_id, [descriptors[i] for i in range(self.workers)]

    def remove_observer(self, int observer_id):
        """End an observer's rings."""
        check(capi.engine_remove_observer(self.get(), observer_id), NULL, StellarError)

    @property
    def resume_line(self):
        """What `start` found in the session directories, one line; empty without any."""
        return capi.engine_get_resume_line(self.get()).decode("utf-8", "replace")

    def start(self):
        """Fix plugin order and topology, and allocate tables."""
        cdef char error[ERROR_SIZE]
        cdef capi.engine *handle = self.get()
        cdef int result
        error[0] = 0
        with nogil:
            result = capi.engine_start(handle, error, ERROR_SIZE)
        check(result, error, PluginError)

    def run_worker(self, uint32_t worker_id, int cpu=-1):
        """Run one worker on this thread until the engine stops or its captures end.

        Returns False when a capture was cut short (what came before was processed) or a live
        interface is gone.
        """
        cdef capi.engine *handle = self.get()
        cdef int result
        self.running += 1
        with nogil:
            result = capi.engine_worker_run(handle, worker_id, cpu)
        self.running -= 1
        return result == 0

    @property
    def running_workers(self):
        """Workers whose loop is running now."""
        return capi.engine_get_running_workers(self.get())

    def stop(self):
        """Ask all workers to finish. Any thread."""
        capi.engine_stop(self.get())

    def hand_over(self):
        """Ask all workers to finish, but leave kept sessions to the next engine. Any thread."""
        capi.engine_hand_over(self.get())

    def apply_policy(self, const unsigned char[::1] image not None):
        """Apply a compiled policy image; blocks until every worker has committed."""
        cdef char error[ERROR_SIZE]
        cdef capi.engine *handle = self.get()
        cdef const void *data = &image[0] if image.shape[0] > 0 else NULL
        cdef size_t size = image.shape[0]
        cdef int result
        error[0] = 0
        if size == 0:
            raise PolicyError("policy image: expected a header, found an empty file")
        with nogil:
            result = capi.engine_policy_apply(handle, data, size, error, ERROR_SIZE)
        if result < 0:
            raise PolicyError(error.decode("utf-8", "replace"), -result)

    @property
    def policy_generation(self):
        """Generation in force, 0 when there is none."""
        return capi.engine_policy_generation(self.get())
