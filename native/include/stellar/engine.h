// SPDX-License-Identifier: Apache-2.0

// Embedding: make an engine, give it interfaces, plugins and a policy, and run its workers. The
// Python binding uses nothing but this header. Calls are for one control thread unless they say
// otherwise; errors are -errno with one line in `error`.
//
// Lifecycle: engine_create -> engine_add_interface... -> engine_add_wire/tap... ->
// engine_load_plugin... -> engine_start -> engine_policy_apply -> engine_worker_run (one thread a
// worker) -> engine_stop -> engine_destroy.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/log.h>
#include <stellar/packet_io.h>
#include <stellar/plugin.h>
#include <stellar/policy.h>
#include <stellar/stats.h>
#include <stellar/verdict.h>
#include <stellar/version.h>

struct engine;
struct worker;

#define STELLAR_WORKERS_MAX 64
#define STELLAR_INTERFACES_MAX 64
#define STELLAR_PLUGINS_MAX 64

// What happens to the first packet of a session when the table is full.
enum stellar_full_action {
	STELLAR_FULL_EVICT_EMBRYONIC, // the oldest session in OPENING goes; none: drop_new
	STELLAR_FULL_DROP_NEW,
	STELLAR_FULL_PASS_UNTRACKED,
	STELLAR_FULL_ACTION_COUNT,
};

// Idle time after which a session closes, by state. X(name, default seconds, sentence)
// clang-format off
#define STELLAR_TIMEOUTS(X) \
	X(tcp_opening_sec, 30, "TCP before the handshake is complete") \
	X(tcp_established_sec, 7440, "TCP established (RFC 5382 REQ-5: above 2 h 4 min)") \
	X(tcp_closing_sec, 60, "TCP after the first FIN") \
	X(tcp_closed_sec, 2, "TCP after RST or both FINs, for stray segments") \
	X(udp_opening_sec, 30, "UDP, one side seen") \
	X(udp_active_sec, 180, "UDP, both sides seen (RFC 4787 REQ-5: above 2 min)") \
	X(icmp_sec, 30, "ICMP and ICMPv6") \
	X(other_sec, 60, "any other IP protocol")
// clang-format on

struct session_timeouts {
#define X(name, seconds, sentence) uint32_t name;
	STELLAR_TIMEOUTS(X)
#undef X
};

// What a worker may keep, each with an action of its own when it is reached: counted, never silent.
// X(name, default, sentence)
// clang-format off
#define STELLAR_LIMITS(X) \
	X(fragment_memory_bytes, 33554432, "fragments held, with what it takes to hold them") \
	X(fragment_source_bytes, 4194304, "of those, from one source address") \
	X(fragment_pieces, 2048, "pieces of one datagram") \
	X(fragment_timeout_ms, 30000, "time a datagram has to become whole (Linux: 30 s)") \
	X(stream_memory_bytes, 134217728, "bytes of TCP streams held, with what it takes") \
	X(stream_held_bytes, 1048576, "of those, out of order in one direction of a session") \
	X(stream_kept_bytes, 262144, "of those, in order and not yet skipped, of one direction") \
	X(expectations, 65536, "sessions announced and not yet there") \
	X(expectations_session, 64, "of those, announced by one session") \
	X(children_session, 65536, "sessions derived from one") \
	X(handoff_frames, 1024, "frames away at other workers, at most 65536; unused by one worker") \
	X(source_opening, 16384, "sessions in OPENING that one source address began") \
	X(plugin_timers, 1048576, "timers that plugins have running") \
	X(hold_frames, 4096, "frames held by plugins' verdicts, at most 65536") \
	X(hold_session, 64, "of those, of one session") \
	X(ttl_min, 1, "not a limit of memory: time to live a packet needs to reach its receiver")
// clang-format on

struct engine_limits {
#define X(name, value, sentence) uint64_t name;
	STELLAR_LIMITS(X)
#undef X
};

// How a host puts overlapping pieces together, IP fragments and TCP segments. Names of profiles are
// those of the published tables (Shankar, Paxson 2003; Novak 2005; Novak, Sturges 2007); what each
// does is said in native/packet/defragment.h and native/session/stream.h. X(name, NAME, sentence)
// clang-format off
#define STELLAR_TARGET_PROFILES(X) \
	X(linux, LINUX, "Linux 5 and later") \
	X(first, FIRST, "what came first stays") \
	X(last, LAST, "what came last replaces") \
	X(bsd, BSD, "BSD: what begins further left wins") \
	X(bsd_right, BSD_RIGHT, "BSD-right: what ends further right wins") \
	X(windows, WINDOWS, "Windows") \
	X(solaris, SOLARIS, "Solaris")
// clang-format on

enum stellar_target_profile {
#define X(name, NAME, sentence) STELLAR_TARGET_##NAME,
	STELLAR_TARGET_PROFILES(X)
#undef X
		STELLAR_TARGET_PROFILE_COUNT,
};

// Name of a profile, or NULL when out of range. Static, any thread.
STELLAR_PUBLIC const char *stellar_target_profile_name(uint32_t profile);

#define STELLAR_TARGETS_MAX 256

// Zero means the default wherever the comment names one. Fill with engine_config_init.
struct engine_config {
	uint32_t abi_version;
	uint32_t struct_size;
	uint32_t worker_count; // 1
	uint32_t burst_size; // 64; 1 to STELLAR_BURST_MAX
	uint64_t session_capacity; // a worker; 1048576; 64 to 2^31
	uint8_t full_action; // enum stellar_full_action
	bool verify_checksums; // count and drop (inline) packets with wrong checksums; true
	bool is_inline; // wires forward and verdicts bite; else they are only recorded
	bool pass_malformed; // let malformed packets cross a wire; false
	uint8_t midstream; // 1: pick up TCP sessions midstream; 1
	uint8_t target_profile; // of hosts that have none of their own; enum stellar_target_profile
	bool asymmetric; // inline: one direction of a TCP session may take another route; false
	bool urgent_inline; // TCP urgent bytes are part of the stream (SO_OOBINLINE); false
	uint64_t hash_seed[2]; // all zero: random at start; fixed in replay
	struct session_timeouts timeouts;
	stellar_log_fn log;
	void *log_sink;
	struct engine_limits limits;
	uint64_t first_session_id; // 1; a series of replays goes on where the last one ended
	bool tunnel_parents; // tunnels are sessions, parents of those inside; false
};

// Fill *ret_config with the defaults above.
STELLAR_PUBLIC void engine_config_init(struct engine_config *ret_config);

STELLAR_PUBLIC int engine_create(const struct engine_config *config, struct engine **ret_engine,
				 char *error, size_t error_size);

// Stop first. Frees everything; accepts NULL.
STELLAR_PUBLIC void engine_destroy(struct engine *engine);

// Add an interface: a name for policies and events, and a device URI. Returns its id or -errno.
STELLAR_PUBLIC int engine_add_interface(struct engine *engine, const char *name, const char *uri,
					char *error, size_t error_size);

// Add one whose device is the caller's (memory:); it stays the caller's to close, afterwards.
STELLAR_PUBLIC int engine_add_interface_device(struct engine *engine, const char *name,
					       struct packet_io_device *device, char *error,
					       size_t error_size);

// Join two interfaces transparently. pass_non_ip: ARP and other non-IP cross. Each interface is in
// one wire or tap. The workers receive from wires and taps in turn, and hand packets to their home
// worker, chosen by a keyed hash of their addresses. Returns 0 or -errno.
STELLAR_PUBLIC int engine_add_wire(struct engine *engine, uint16_t interface_a,
				   uint16_t interface_b, bool pass_non_ip, char *error,
				   size_t error_size);

// Listen only, or replay: what would have passed counts as forwarded, and is sent out of
// output_id when that is not UINT16_MAX (--write).
STELLAR_PUBLIC int engine_add_tap(struct engine *engine, uint16_t interface_id, uint16_t output_id,
				  char *error, size_t error_size);

// Hosts of a prefix (network byte order, IPv4 0 to 32 bits, IPv6 0 to 128) put overlapping pieces
// together as that profile does; the longest prefix wins. Before engine_start. Returns 0, -EINVAL,
// -EEXIST (the prefix has a profile) or -ENOSPC (STELLAR_TARGETS_MAX are there).
STELLAR_PUBLIC int engine_add_target(struct engine *engine, const struct ip_address *prefix,
				     uint8_t prefix_length, uint8_t profile, char *error,
				     size_t error_size);

// Load a C plugin from a shared object (a copy of it: the file may be written to; what it needs is
// not looked for beside it, $ORIGIN is another place), or register one the caller made (it must
// outlive the engine). Refuses a wrong ABI version or size, a bad or taken name, an event this
// version does not raise, a cycle in the order (printed). Before engine_start. Returns its id or
// -errno.
STELLAR_PUBLIC int engine_load_plugin(struct engine *engine, const char *path, char *error,
				      size_t error_size);
STELLAR_PUBLIC int engine_add_plugin(struct engine *engine, const struct plugin *plugin,
				     void *host_data, char *error, size_t error_size);

// Functions of one worker for a plugin that engine_add_plugin registered, in the place of those in
// its struct plugin: a Lua state serves one worker. NULL: the plugin's own.
struct plugin_batch;
struct plugin_entries {
	void (*entry)(struct session *session, void *context);
	void (*deliver)(void); // in the place of entry, for what stands in batch; see batch.h
	void (*deliver_one)(void); // the same for a batch of one, or NULL: deliver
	struct plugin_batch *batch; // the caller's, as long as the engine lives
	void (*tick)(struct plugin_worker *worker, void *worker_state);
	int (*context_migrate)(struct session *session, const char *old_version, void *old_context,
			       uint32_t old_context_size, void *context);
	void *host_data;
};

// Before engine_start. Returns 0 or -EINVAL.
STELLAR_PUBLIC int engine_set_plugin_entries(struct engine *engine, uint16_t plugin_id,
					     uint32_t worker_id,
					     const struct plugin_entries *entries);

// What a plugin declares, as it was loaded or added; NULL: there is no such id. Lives as long as
// the plugin. Control thread.
STELLAR_PUBLIC const struct plugin *engine_get_plugin(const struct engine *engine,
						      uint16_t plugin_id);

// Id of a plugin by its name, or -ENOENT. After engine_start. Control thread.
STELLAR_PUBLIC int engine_find_plugin(const struct engine *engine, const char *name);

// Load a new version of a plugin in the place of the one in force, while traffic flows: it keeps
// the id, the place in the order, settings, counters and derived events. Each worker takes it at a
// burst boundary; blocks until every running worker has. A session's context pins the version that
// made it (see context_migrate), sessions without one go with the new version at once; detached,
// taken over and locked sessions stay so. Needs may change: a TCP session that no plugin read from
// its begin is not read later. The new version prepares and commits the policy in force; it was not
// disabled, and its errors count anew. A version that was disabled pins nothing: its contexts end
// at the session's next event. The old version is unloaded, and its library closed, by
// engine_collect_plugins. After engine_start. Control thread.
// Returns 0; what engine_load_plugin and load return; -EINVAL (another name; another place in the
// order; a setting it does not take; or it refuses the policy in force), -ENOSPC (four versions
// live: the contexts of old ones must end first), -ETIMEDOUT (a worker comes to no boundary; when
// it got stuck just then the new version is in force, error says so, and it follows when it can).
// Nothing has changed unless error says so.
STELLAR_PUBLIC int engine_reload_plugin(struct engine *engine, uint16_t plugin_id, const char *path,
					char *error, size_t error_size);

// The same for one that the caller made. entries: one for each worker, or NULL: those of the
// structure. The structure must live until engine_has_plugin says no, or the engine is destroyed.
STELLAR_PUBLIC int engine_replace_plugin(struct engine *engine, uint16_t plugin_id,
					 const struct plugin *plugin,
					 const struct plugin_entries *entries, char *error,
					 size_t error_size);

// Unload the versions that nothing pins any more: no worker, no context, no metadata that they
// free. Returns how many old versions are left, over all plugins. Control thread; now and then.
STELLAR_PUBLIC size_t engine_collect_plugins(struct engine *engine);

// Whether some live version is of this structure. Control thread.
STELLAR_PUBLIC int engine_has_plugin(const struct engine *engine, const struct plugin *plugin);

// In context_migrate: the host_data of the version that made the old context. NULL elsewhere.
STELLAR_PUBLIC void *pm_session_old_host_data(const struct session *session);

// Give a plugin a setting, text, as the operator wrote it. Before engine_start. Returns 0, -EINVAL
// (the plugin has no such setting; error lists those it has), -EEXIST or -ENOMEM.
STELLAR_PUBLIC int engine_set_plugin_setting(struct engine *engine, uint16_t plugin_id,
					     const char *key, const char *value, char *error,
					     size_t error_size);

// The host_data given for the plugin being called. Worker thread, inside a callback.
STELLAR_PUBLIC void *pm_session_host_data(const struct session *session);

// Write events as EVE JSON lines: a path, or "-" for standard output; NULL: no events.
// types: bit set of STELLAR_EVE_*. Before engine_start. In replay writing is in step with the
// packets (nothing is lost); live, a writer thread drains rings and losses are counted.
#define STELLAR_EVE_FLOW 0x1u
#define STELLAR_EVE_DROP 0x2u
#define STELLAR_EVE_ANOMALY 0x4u
#define STELLAR_EVE_STATS 0x8u
#define STELLAR_EVE_PLUGIN 0x10u // session_log
STELLAR_PUBLIC int engine_set_event_output(struct engine *engine, const char *path, uint32_t types,
					   char *error, size_t error_size);

// Close and reopen the event file (rotation). Any thread. Returns 0 or -errno.
STELLAR_PUBLIC int engine_reopen_events(struct engine *engine);

// Keep sessions in files of a directory, so that an engine that is started after this one was
// killed goes on with them. The directory, made when it is missing, is of one engine alone and lies
// in a hugetlbfs or tmpfs, as /dev/shm is one; several calls name several, and the first that has
// the memory is used (huge pages are taken for the whole capacity at once, others as they are
// needed). Sessions survive when the successor has the same build, capacity, workers and
// interfaces. engine_stop closes sessions and removes the files; engine_hand_over leaves them. Not
// for replay. Before engine_start. Returns 0, -EINVAL or -ENOMEM.
STELLAR_PUBLIC int engine_add_session_directory(struct engine *engine, const char *path,
						char *error, size_t error_size);

// What engine_start found there, one line; "" without a directory. A directory that can't be used,
// or files that can't, are no error: the line says why sessions begin anew, or will not outlive
// the engine. Lives as long as the engine.
STELLAR_PUBLIC const char *engine_get_resume_line(const struct engine *engine);

// Note in a file, made when it is missing, which plugin each worker is in, so that the engine after
// this one knows in which plugin it died (a fatal signal, the watchdog). Signals belong to the
// process: one engine of it. Before engine_start. Returns 0 or -errno.
STELLAR_PUBLIC int engine_set_mark_file(struct engine *engine, const char *path, char *error,
					size_t error_size);

// The plugin in which the file's engine before this one died, or NULL; ret_stuck: it did not come
// back, else it crashed. Lives as long as the engine. Control thread.
STELLAR_PUBLIC const char *engine_get_blamed_plugin(const struct engine *engine, int *ret_stuck);

// Disable a plugin, as too many errors do: its fail action holds from the start. After
// engine_start, before workers run. Returns 0, -ENOENT or -EBUSY.
STELLAR_PUBLIC int engine_disable_plugin(struct engine *engine, const char *name);

// Watch the workers from a thread: when one comes to no burst boundary for stuck_ms (at least 100),
// log the plugin it is in and end the process with STELLAR_EXIT_STUCK. Idle workers pass boundaries
// too. For live engines, after engine_start. Returns 0 or -errno.
#define STELLAR_EXIT_STUCK 70
STELLAR_PUBLIC int engine_start_watchdog(struct engine *engine, uint32_t stuck_ms);

// Record what the workers take in, into segment files in a directory that is there and empty, so
// that engine_replay can do the same again. At most `size` bytes are kept (at least 32 MiB), and
// when seconds is not 0 what is older goes: the oldest segments first. Traffic never waits for it:
// when the disk is full or slow, the recording ends, with a reason. Not for workers of a loop of
// the caller's own. Before engine_start. Returns 0, -EINVAL, -EBUSY, -ENOMEM or -ENOTSUP (more than
// one worker).
STELLAR_PUBLIC int engine_set_recording(struct engine *engine, const char *path, uint64_t size,
					uint32_t seconds, char *error, size_t error_size);

struct recording_stats {
	uint64_t bursts; // recorded, also those that are gone from the ring
	uint64_t packets;
	uint64_t bytes;
	uint64_t lost; // bursts that came after the recording had ended
	const char *reason; // why it ended, static; "": it goes on, or was not asked for
	uint8_t is_asked;
	uint8_t is_on;
	uint8_t reserved[6];
};

// Any thread.
STELLAR_PUBLIC void engine_get_recording(const struct engine *engine,
					 struct recording_stats *ret_stats);

// The secret of the tables' hashes, which a replay needs. Control thread, after engine_start.
STELLAR_PUBLIC void engine_get_hash_seed(const struct engine *engine, uint64_t *ret_seed);

// Fix plugin order and topology; allocate tables. Returns 0 or -errno.
STELLAR_PUBLIC int engine_start(struct engine *engine, char *error, size_t error_size);

// Run one worker on the calling thread until engine_stop, or until its captures end. cpu >= 0 pins
// the thread. All workers must run, each on its thread: packets for one that does not are dropped
// when live (handoff_full), and waited for in replay, until engine_stop.
// Returns 0; -EBADMSG when a capture was cut (what came before was processed); -ENETDOWN when a
// live interface is gone; -EBUSY when it has ended before and there are several workers.
STELLAR_PUBLIC int engine_worker_run(struct engine *engine, uint32_t worker_id, int cpu);

// Workers whose loop is running now. Any thread.
STELLAR_PUBLIC uint32_t engine_get_running_workers(const struct engine *engine);

// Ask all workers to finish: they close their sessions (reason shutdown) and return. Any thread.
STELLAR_PUBLIC void engine_stop(struct engine *engine);

// The same, but sessions kept in a directory are not closed: the next engine goes on with them.
// Plugins are not told, and their contexts are not freed. Any thread.
STELLAR_PUBLIC void engine_hand_over(struct engine *engine);

// Sums over workers, read while they run: each counter is exact at its last burst boundary; the
// conservation law holds in the result because each worker publishes whole ledgers. Any thread.
STELLAR_PUBLIC void engine_get_packet_stats(const struct engine *engine,
					    struct packet_stats *ret_stats);
STELLAR_PUBLIC void engine_get_session_stats(const struct engine *engine,
					     struct session_stats *ret_stats);
STELLAR_PUBLIC void engine_get_stream_stats(const struct engine *engine,
					    struct stream_stats *ret_stats);

// Times an event was raised, and times a decode event was set. Any thread.
STELLAR_PUBLIC uint64_t engine_get_event_count(const struct engine *engine, uint32_t event);
STELLAR_PUBLIC uint64_t engine_get_decode_event_count(const struct engine *engine,
						      uint32_t decode_event);

// Times a derived event was raised, by its id (engine_get_derived_name), and events of callbacks
// that found no room, or came in too many rounds. Any thread.
STELLAR_PUBLIC uint64_t engine_get_derived_count(const struct engine *engine, uint32_t derived_id);
STELLAR_PUBLIC uint64_t engine_get_event_overflow(const struct engine *engine);

// EVE lines written and lost. Any thread.
STELLAR_PUBLIC void engine_get_output_stats(const struct engine *engine, uint64_t *ret_written,
					    uint64_t *ret_lost);

// Per-plugin figures, in order of execution. Any thread.
struct plugin_stats {
	char name[STELLAR_PLUGIN_NAME_MAX + 1];
	char version[32];
	uint64_t calls;
	uint64_t errors;
	uint64_t contexts; // live now
	uint64_t detached;
	uint64_t takeovers;
	uint64_t reloads;
	uint64_t versions; // live
	uint64_t old_contexts; // live, of other versions than the one in force
	uint64_t migrated; // contexts that a version took over from an older one
	uint64_t stayed; // contexts that it did not take
	uint64_t no_memory; // contexts that there was none for
	uint64_t timers; // running now
	uint64_t timers_refused; // for the limit plugin_timers, or no memory
	uint8_t enabled;
	uint8_t reserved[7];
	uint64_t timed_calls; // a sample of the calls, and the wall-clock ns they took
	uint64_t timed_ns;
	uint64_t context_bytes; // of the contexts that are live
};
STELLAR_PUBLIC size_t engine_get_plugin_stats(const struct engine *engine,
					      struct plugin_stats *ret_stats, size_t count);

// Counters that plugins made: walk with position from 0; -ENOENT ends it. Any thread.
STELLAR_PUBLIC int engine_get_plugin_counter(const struct engine *engine, size_t position,
					     const char **ret_plugin, const char **ret_name,
					     uint64_t *ret_value);

// Per-interface figures. -ENOENT past the last. Any thread.
STELLAR_PUBLIC int engine_get_interface(const struct engine *engine, uint16_t interface_id,
					const char **ret_name, struct packet_io_stats *ret_stats);

// Longest frame that an interface can send, bytes; 0 when there is no such interface. Any thread.
STELLAR_PUBLIC uint32_t engine_get_frame_max(const struct engine *engine, uint16_t interface_id);

// What went wrong on an interface last, "" when nothing did or there is no such interface. Control
// thread, when the worker does not run.
STELLAR_PUBLIC const char *engine_get_interface_error(const struct engine *engine,
						      uint16_t interface_id);

// Where a replay stops before its end: at the first event line that has all texts in it
// (`"key":"value"` or `"key":value`, whole values), or when engine time is there. What follows is
// not written.
#define STELLAR_UNTIL_TEXTS_MAX 8
struct replay_until {
	uint64_t time_ns; // 0: no time
	size_t text_count; // 0: no event
	const char *texts[STELLAR_UNTIL_TEXTS_MAX];
};

enum stellar_replay_end {
	STELLAR_REPLAY_FINISHED, // with the engine that was recorded
	STELLAR_REPLAY_CUT, // nothing more was recorded: it was killed, or the recording ended
	STELLAR_REPLAY_DAMAGED, // what follows is no recording
	STELLAR_REPLAY_STOPPED, // replay_until
	STELLAR_REPLAY_PLUGIN, // the plugin takes another version here: reload it, and call again
};

// How far a replay has come.
struct replay_position {
	uint64_t bursts;
	uint64_t packets; // also those before a recording whose beginning is gone
	uint64_t time_ns; // engine time
	uint64_t diverged_packet; // the replay does not do what was recorded from here on; 0: it
				  // does
	uint64_t lost_packets; // recorded before what is still there
	uint64_t resumed; // sessions the engine had from a predecessor: the replay has them not
	uint32_t generation; // policy in force
	uint16_t plugin_id; // STELLAR_REPLAY_PLUGIN
	uint16_t plugin_version; // times it had been reloaded
	uint8_t end; // enum stellar_replay_end
	uint8_t reserved[7];
	char line[256]; // what is wrong with the recording, where it ends: "" for nothing
};

// Replay a recording on the calling thread: an engine that was started with the configuration, the
// topology (devices `recorded:`) and the plugins of the one that was recorded, and that no worker
// runs. Events are the same bytes, but for what was lost live; figures are the same. Returns 0, or
// -errno with one line in error: nothing to replay.
STELLAR_PUBLIC int engine_replay(struct engine *engine, const char *path,
				 const struct replay_until *until,
				 struct replay_position *ret_position, char *error,
				 size_t error_size);

// A copy of a session for listing.
struct session_record {
	uint64_t id;
	uint64_t start_ns;
	uint64_t last_ns;
	uint64_t packets[2]; // forward, reverse
	uint64_t bytes[2];
	struct packet_endpoint originator;
	struct packet_endpoint responder;
	uint32_t tag;
	uint32_t generation;
	uint32_t rule_id; // of the last session verdict, STELLAR_RULE_NONE when none
	uint16_t ingress_id;
	uint16_t egress_id;
	uint8_t protocol;
	uint8_t state; // enum stellar_session_state
	uint8_t tcp_state; // enum stellar_tcp_state
	uint8_t blocked;
	uint8_t reserved[4];
	uint64_t parent_id; // 0: it has none
};

// Copy up to count sessions of a worker, starting where *cursor says (0 first; it is moved on; 0
// again at the end). The worker does it between two bursts. Returns the number or -errno;
// -ESHUTDOWN when the worker is not running, -ETIMEDOUT when it is stuck. Any thread, one at a
// time.
STELLAR_PUBLIC int engine_list_sessions(struct engine *engine, uint32_t worker_id, uint64_t *cursor,
					struct session_record *ret_records, size_t count);

// The stages, one by one, for a caller with a loop of its own (the seed's packet_io_loop). Calling
// thread becomes the worker's; do not mix with engine_worker_run. What a worker receives this way
// it judges itself: nothing is handed to other workers.
STELLAR_PUBLIC struct worker *engine_get_worker(struct engine *engine, uint32_t worker_id);

// Receive one packet from an interface of the worker into the worker's own packet. One that was not
// enqueued since is dropped, by its verdict or for no_egress. Returns 1 and the packet, 0 when
// nothing waits, -EINVAL for another worker's interface, or -errno as packet_io_device_rx.
STELLAR_PUBLIC int worker_rx(struct worker *worker, uint16_t interface_id,
			     struct packet **ret_packet);

// Decode, find or make the session, raise its events into the worker's queue. Returns 0, or
// -ENOENT when the packet has no session (not IP, table full: the verdict says).
STELLAR_PUBLIC int session_manager(struct worker *worker, struct packet *packet);

// Call the plugins for the events in the worker's queue, in order; settle the verdict.
STELLAR_PUBLIC int plugin_manager(struct worker *worker, struct packet *packet);

// The packet's settled verdict; valid until the packet is enqueued.
STELLAR_PUBLIC const struct verdict *packet_get_verdict(const struct packet *packet);

// End the loop: expire and close what is left (reason shutdown), flush outputs.
STELLAR_PUBLIC void worker_finish(struct worker *worker);
