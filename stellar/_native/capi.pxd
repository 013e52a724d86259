# SPDX-License-Identifier: Apache-2.0
# Declarations of <stellar/*.h>, nothing else. Everything here is safe without the GIL.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "stellar/version.h" nogil:
    enum: STELLAR_ABI_VERSION
    const char *stellar_version()

cdef extern from "stellar/packet.h" nogil:
    struct ip_address:
        uint8_t version
        uint8_t bytes[16]

    struct packet_endpoint:
        ip_address address
        uint16_t port

    enum: STELLAR_DECODE_EVENT_COUNT
    const char *stellar_decode_event_name(uint32_t event)

cdef extern from "stellar/stats.h" nogil:
    enum: STELLAR_DROP_REASON_COUNT
    enum: STELLAR_CLOSING_REASON_COUNT

    struct packet_stats:
        uint64_t received
        uint64_t generated
        uint64_t forwarded
        uint64_t local
        uint64_t held
        uint64_t received_bytes
        uint64_t forwarded_bytes
        uint64_t dropped[64]

    struct session_stats:
        uint64_t created
        uint64_t active
        uint64_t closed[16]
        uint64_t evicted
        uint64_t untracked
        uint64_t capacity
        uint64_t children
        uint64_t orphaned
        uint64_t expectations
        uint64_t expectations_announced
        uint64_t expectations_met
        uint64_t expectations_expired
        uint64_t expectations_refused
        uint64_t resumed
        uint64_t torn
        uint64_t opening
        uint64_t source_limited
        uint64_t flood
        uint64_t floods

    struct stream_stats:
        uint64_t opened
        uint64_t active
        uint64_t delivered_bytes
        uint64_t held_bytes
        uint64_t gaps
        uint64_t gap_bytes
        uint64_t overlaps
        uint64_t limited
        uint64_t kept_lost
        uint64_t no_memory

    int64_t packet_stats_imbalance(const packet_stats *stats)
    const char *stellar_drop_reason_name(uint32_t reason)
    const char *stellar_closing_reason_name(uint32_t reason)

cdef extern from "stellar/event.h" nogil:
    enum: STELLAR_EVENT_COUNT
    const char *stellar_event_name(uint32_t event)
    int stellar_event_is_raised(uint32_t event)

cdef extern from "stellar/session.h" nogil:
    struct session:
        pass

    const char *stellar_session_state_name(uint32_t state)
    const char *stellar_tcp_state_name(uint32_t state)

ctypedef void (*plugin_entry_fn)(session *session, void *context) noexcept nogil
ctypedef void (*plugin_deliver_fn)() noexcept nogil
ctypedef void (*plugin_tick_fn)(plugin_worker *worker, void *worker_state) noexcept nogil
ctypedef int (*plugin_migrate_fn)(session *session, const char *old_version, void *old_context,
                                  uint32_t old_context_size, void *context) noexcept nogil

cdef extern from "stellar/plugin.h" nogil:
    struct plugin_host:
        pass

    struct plugin_worker:
        pass

    struct plugin:
        uint32_t abi_version
        uint32_t struct_size
        const char *name
        const char *version
        uint64_t events
        const char *const *protocols
        const char *const *before
        const char *const *after
        uint32_t context_size
        uint32_t context_persistent_size
        uint8_t fail_action
        int (*load)(plugin_host *host, void **ret_state) noexcept nogil
        void (*entry)(session *session, void *context) noexcept nogil
        const char *const *settings
        const char *const *raises
        const char *const *hears
        uint32_t tick_ms
        plugin_tick_fn tick
        plugin_migrate_fn context_migrate

cdef extern from "stellar/packet_io.h" nogil:
    struct packet_io_stats:
        uint64_t rx_frames
        uint64_t rx_bytes
        uint64_t rx_missed
        uint64_t tx_frames
        uint64_t tx_bytes
        uint64_t tx_errors

cdef extern from "stellar/policy.h" nogil:
    int engine_policy_apply(engine *engine, const void *image, size_t image_size, char *error,
                            size_t error_size)
    uint32_t engine_policy_generation(const engine *engine)

cdef extern from "stellar/engine.h" nogil:
    struct engine:
        pass

    struct session_timeouts:
        uint32_t tcp_opening_sec
        uint32_t tcp_established_sec
        uint32_t tcp_closing_sec
        uint32_t tcp_closed_sec
        uint32_t udp_opening_sec
        uint32_t udp_active_sec
        uint32_t icmp_sec
        uint32_t other_sec

    struct engine_limits:
        uint64_t fragment_memory_bytes
        uint64_t fragment_source_bytes
        uint64_t fragment_pieces
        uint64_t fragment_timeout_ms
        uint64_t stream_memory_bytes
        uint64_t stream_held_bytes
        uint64_t stream_kept_bytes
        uint64_t expectations
        uint64_t expectations_session
        uint64_t children_session
        uint64_t handoff_frames
        uint64_t source_opening
        uint64_t plugin_timers
        uint64_t hold_frames
        uint64_t hold_session
        uint64_t ttl_min

    enum: STELLAR_TARGET_PROFILE_COUNT
    const char *stellar_target_profile_name(uint32_t profile)

    struct engine_config:
        uint32_t worker_count
        uint32_t burst_size
        uint64_t session_capacity
        uint8_t full_action
        bint verify_checksums
        bint is_inline
        bint pass_malformed
        uint8_t midstream
        uint8_t target_profile
        bint asymmetric
        bint urgent_inline
        uint64_t hash_seed[2]
        session_timeouts timeouts
        engine_limits limits
        uint64_t first_session_id
        bint tunnel_parents

    struct plugin_stats:
        char name[64]
        char version[32]
        uint64_t calls
        uint64_t errors
        uint64_t contexts
        uint64_t detached
        uint64_t takeovers
        uint64_t timers
        uint64_t timers_refused
        uint64_t reloads
        uint64_t versions
        uint64_t old_contexts
        uint64_t migrated
        uint64_t stayed
        uint64_t no_memory
        uint8_t enabled
        uint64_t timed_calls
        uint64_t timed_ns
        uint64_t context_bytes

    struct session_record:
        uint64_t id
        uint64_t start_ns
        uint64_t last_ns
        uint64_t packets[2]
        uint64_t bytes[2]
        packet_endpoint originator
        packet_endpoint responder
        uint32_t tag
        uint32_t generation
        uint32_t rule_id
        uint16_t ingress_id
        uint16_t egress_id
        uint8_t protocol
        uint8_t state
        uint8_t tcp_state
        uint8_t blocked
        uint64_t parent_id

    enum: STELLAR_FULL_EVICT_EMBRYONIC
    enum: STELLAR_FULL_DROP_NEW
    enum: STELLAR_FULL_PASS_UNTRACKED
    enum: STELLAR_EVE_FLOW
    enum: STELLAR_EVE_DROP
    enum: STELLAR_EVE_ANOMALY
    enum: STELLAR_EVE_STATS
    enum: STELLAR_EVE_PLUGIN
    enum: STELLAR_PLUGINS_MAX
    enum: STELLAR_WORKERS_MAX

    struct plugin_batch:
        pass

    struct plugin_entries:
        plugin_entry_fn entry
        plugin_deliver_fn deliver
        plugin_deliver_fn deliver_one
        plugin_batch *batch
        plugin_tick_fn tick
        plugin_migrate_fn context_migrate
        void *host_data

    void engine_config_init(engine_config *ret_config)
    int engine_create(const engine_config *config, engine **ret_engine, char *error,
                      size_t error_size)
    void engine_destroy(engine *engine)
    int engine_add_interface(engine *engine, const char *name, const char *uri, char *error,
                             size_t error_size)
    int engine_add_wire(engine *engine, uint16_t interface_a, uint16_t interface_b,
                        bint pass_non_ip, char *error, size_t error_size)
    int engine_add_tap(engine *engine, uint16_t interface_id, uint16_t output_id, char *error,
                       size_t error_size)
    int engine_add_target(engine *engine, const ip_address *prefix, uint8_t prefix_length,
                          uint8_t profile, char *error, size_t error_size)
    int engine_load_plugin(engine *engine, const char *path, char *error, size_t error_size)
    int engine_add_plugin(engine *engine, const plugin *plugin, void *host_data, char *error,
                          size_t error_size)
    int engine_set_plugin_entries(engine *engine, uint16_t plugin_id, uint32_t worker_id,
                                  const plugin_entries *entries)
    const plugin *engine_get_plugin(const engine *engine, uint16_t plugin_id)
    int engine_find_plugin(const engine *engine, const char *name)
    int engine_reload_plugin(engine *engine, uint16_t plugin_id, const char *path, char *error,
                             size_t error_size)
    int engine_replace_plugin(engine *engine, uint16_t plugin_id, const plugin *plugin,
                              const plugin_entries *entries, char *error, size_t error_size)
    size_t engine_collect_plugins(engine *engine)
    int engine_has_plugin(const engine *engine, const plugin *plugin)
    int engine_set_plugin_setting(engine *engine, uint16_t plugin_id, const char *key,
                                  const char *value, char *error, size_t error_size)
    int engine_set_event_output(engine *engine, const char *path, uint32_t types, char *error,
                                size_t error_size)
    int engine_reopen_events(engine *engine)
    int engine_start(engine *engine, char *error, size_t error_size)
    int engine_worker_run(engine *engine, uint32_t worker_id, int cpu)
    uint32_t engine_get_running_workers(const engine *engine)
    void engine_stop(engine *engine)
    void engine_get_packet_stats(const engine *engine, packet_stats *ret_stats)
    int engine_add_session_directory(engine *engine, const char *path, char *error,
                                     size_t error_size)
    int engine_set_mark_file(engine *engine, const char *path, char *error, size_t error_size)
    const char *engine_get_blamed_plugin(const engine *engine, int *ret_stuck)
    int engine_disable_plugin(engine *engine, const char *name)
    int engine_start_watchdog(engine *engine, uint32_t stuck_ms)
    const char *engine_get_resume_line(const engine *engine)
    void engine_hand_over(engine *engine)
    void engine_get_session_stats(const engine *engine, session_stats *ret_stats)
    void engine_get_stream_stats(const engine *engine, stream_stats *ret_stats)
    uint64_t engine_get_event_count(const engine *engine, uint32_t event)
    uint64_t engine_get_event_overflow(const engine *engine)
    uint64_t engine_get_derived_count(const engine *engine, uint32_t derived_id)
    const char *engine_get_derived_name(const engine *engine, uint32_t derived_id)
    uint64_t engine_get_decode_event_count(const engine *engine, uint32_t decode_event)
    void engine_get_output_stats(const engine *engine, uint64_t *ret_written, uint64_t *ret_lost)
    size_t engine_get_plugin_stats(const engine *engine, plugin_stats *ret_stats, size_t count)
    int engine_get_plugin_counter(const engine *engine, size_t position, const char **ret_plugin,
                                  const char **ret_name, uint64_t *ret_value)
    int engine_get_interface(const engine *engine, uint16_t interface_id, const char **ret_name,
                             packet_io_stats *ret_stats)
    uint32_t engine_get_frame_max(const engine *engine, uint16_t interface_id)

    enum: STELLAR_UNTIL_TEXTS_MAX
    enum: STELLAR_REPLAY_FINISHED
    enum: STELLAR_REPLAY_CUT
    enum: STELLAR_REPLAY_DAMAGED
    enum: STELLAR_REPLAY_STOPPED
    enum: STELLAR_REPLAY_PLUGIN

    struct recording_stats:
        uint64_t bursts
        uint64_t packets
        uint64_t bytes
        uint64_t lost
        const char *reason
        uint8_t is_asked
        uint8_t is_on

    struct replay_until:
        uint64_t time_ns
        size_t text_count
        const char *texts[8]

    struct replay_position:
        uint64_t bursts
        uint64_t packets
        uint64_t time_ns
        uint64_t diverged_packet
        uint64_t lost_packets
        uint64_t resumed
        uint32_t generation
        uint16_t plugin_id
        uint16_t plugin_version
        uint8_t end
        char line[256]

    int engine_set_recording(engine *engine, const char *path, uint64_t size, uint32_t seconds,
                             char *error, size_t error_size)
    void engine_get_recording(const engine *engine, recording_stats *ret_stats)
    void engine_get_hash_seed(const engine *engine, uint64_t *ret_seed)
    int engine_replay(engine *engine, const char *path, const replay_until *until,
                      replay_position *ret_position, char *error, size_t error_size)
    const char *engine_get_interface_error(const engine *engine, uint16_t interface_id)
    int engine_list_sessions(engine *engine, uint32_t worker_id, uint64_t *cursor,
                             session_record *ret_records, size_t count)

cdef extern from "stellar/observer.h" nogil:
    enum: STELLAR_OBSERVERS_MAX

    int engine_add_observer(engine *engine, uint64_t events, uint32_t capacity, int *ret_fds)
    int engine_remove_observer(engine *engine, int observer_id)
    uint64_t engine_get_observer_lost(const engine *engine)
