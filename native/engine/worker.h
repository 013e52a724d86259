// SPDX-License-Identifier: Apache-2.0

// The engine and its workers: all state of the data path hangs from these two structures.
//
// Threads. The control thread makes the engine, adds interfaces and plugins, applies policies and
// destroys it. Each worker's loop runs on one thread and owns its struct worker whole: table,
// timers, ledger, rings. What other threads may read of a worker is `published` (a sequence lock),
// the atomics, what a command copies for them between two bursts, and of `handoff` what handoff.h
// says.
//
// Life of a burst (worker.c): receive -> decode all -> (several workers: hand over those that have
// their home elsewhere, handoff_stage.h) -> hash all -> for each packet in order: clock and
// timers, defragment, session, plugins, verdict, egress queue -> send -> release -> publish ->
// boundary (commands, policy). Everything from "in order" on sees packets one by one, so that the
// size of a burst cannot be seen in the result (the order law).
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/batch.h>
#include <stellar/engine.h>

#include "engine/handoff.h"
#include "engine/defragment_stage.h"
#include "engine/hold.h"
#include "engine/observer.h"
#include "engine/opening_guard.h"
#include "engine/output.h"
#include "engine/plugin_derived.h"
#include "engine/plugin_host.h"
#include "engine/plugin_table.h"
#include "engine/policy_swap.h"
#include "engine/recorder.h"
#include "engine/session_family.h"
#include "engine/stream_stage.h"
#include "engine/target.h"
#include "engine/warm_restart.h"
#include "engine/watchdog.h"
#include "packet/build.h"
#include "packet/decode.h"
#include "session/expectation.h"
#include "session/key.h"
#include "session/table.h"

#define NS_PER_MS 1000000u
#define STATS_PERIOD_NS (8u * 1000000000ull) // Suricata's default stats interval
#define EVENT_QUEUE_MAX 64u
#define EVENT_ROUNDS_MAX 8u
#define SESSION_VIEWS_MAX 16u
#define METADATA_KEY_SIZE 64u
#define NO_INTERFACE UINT16_MAX

// Engine flags of session_hot.flags beside those of table.h: how a blocked session is answered.
// They share the top bits with the closing reason, which is set when the session can't be answered
// any more.
#define SESSION_REPLY_RST 0x1000u
#define SESSION_REPLY_ICMP 0x2000u
#define SESSION_UNHEARD \
	0x4000u // a tunnel's whose opening was not delivered: the packet was refused
#define SESSION_RESUMED 0x0800u // a predecessor's, and no plugin has heard of that yet

enum interface_role {
	INTERFACE_UNUSED,
	INTERFACE_WIRE,
	INTERFACE_TAP,
	INTERFACE_OUTPUT, // sends what a tap would have let pass
};

struct interface {
	char name[OUTPUT_NAME_SIZE];
	struct packet_io_device *device;
	bool is_owned; // close with the engine
	bool ended; // a capture that has been read
	bool pass_non_ip;
	uint8_t role; // enum interface_role
	uint16_t peer_id; // wire: the other end; tap: output or NO_INTERFACE
	uint32_t worker_id;
};

// The handle plugins know as struct session.
struct session {
	struct worker *worker;
	struct session_hot *hot;
	struct session_cold *cold;
	struct plugin_block *block; // NULL: no plugin wants this session
	const struct event *event; // inside a callback
	struct packet *packet; // behind the current event, or NULL
	uint32_t index;
	uint8_t direction; // of the packet
	bool is_cursor; // lent by session_get_next_child, which moves it on
	bool is_block_asked; // for this packet and the rest
};

struct queued_event {
	struct event event;
	uint32_t index; // the session it belongs to
};

struct event_queue {
	uint32_t count;
	struct queued_event events[EVENT_QUEUE_MAX];
	uint8_t copies[EVENT_QUEUE_MAX]
		      [STELLAR_DERIVED_DATA_MAX]; // bytes of those that need a copy
};

// Counters of one worker, its own; copied whole into `published`.
struct ledger {
	struct packet_stats packets;
	struct session_stats sessions;
	struct stream_stats streams;
	uint64_t events[STELLAR_EVENT_COUNT];
	uint64_t events_overflowed; // that callbacks caused and that were not delivered
	uint64_t decode_events[STELLAR_DECODE_EVENT_COUNT];
};

struct tx_batch {
	uint32_t count;
	struct frame frames[2 * STELLAR_BURST_MAX]; // packets and replies
};

// Work for the worker between two bursts.
struct worker_command {
	void (*run)(struct worker *worker, void *argument);
	void *argument;
	_Atomic bool done;
};

struct worker {
	struct engine *engine;
	uint32_t id;
	uint64_t now_ns; // engine time, never goes back
	struct session_table *table;
	struct opening_guard opening;

	// The burst in hand.
	struct packet packets[STELLAR_BURST_MAX];
	struct session_key keys[STELLAR_BURST_MAX];
	uint64_t hashes[STELLAR_BURST_MAX];
	uint32_t hints[STELLAR_BURST_MAX];
	bool has_key[STELLAR_BURST_MAX];
	struct frame frames[STELLAR_BURST_MAX];
	struct merge *merge; // by interface id; NULL: bursts as they come
	struct tx_batch *tx; // by interface id
	uint8_t (*replies)[BUILD_REPLY_MAX]; // STELLAR_BURST_MAX of them
	uint32_t reply_count;

	// The packet in hand.
	struct session current;
	struct session outer; // of the tunnel around it (tunnel_stage.h); index SESSION_NONE: none
	bool outer_is_new; // its opening is to be raised
	bool outer_is_missing; // there was no room for it
	struct event_queue queue;
	struct defragment_stage *defragment;
	struct hold_stage *hold;
	struct worker *receiver; // who has the frames of the packet in hand: itself, or another
	const struct plugin_table *plugins; // as of the last boundary
	struct plugin_host *plugin; // being called, or NULL
	struct plugin_mark *mark; // says so to others; see watchdog.h
	struct plugin_mark own_mark;
	uint8_t signal_stack[WATCHDOG_STACK_SIZE];
	struct session *called; // for which session, while plugin is not NULL
	struct session *drained; // whose packet raised the queue's events, while they are delivered
	_Atomic(const struct plugin_table *) plugins_followed;
	uint64_t disabled; // plugins whose version in force is, as of the last boundary
	uint64_t failed_closed; // of those, whose fail action is closed
	uint64_t disabled_versions[PLUGIN_VERSIONS_MAX]; // engine->disabled, as of then
	struct plugin_host *migrating; // version whose context is being taken over, or NULL
	uint8_t *old_context; // a copy of what was in its place meanwhile
	bool detach_asked;
	bool failed;
	struct session views[SESSION_VIEWS_MAX]; // other sessions lent during a callback
	uint32_t view_count;
	uint32_t taken_first; // block ids, 0: none; see plugin_suspend.c
	uint32_t taken_last;
	bool is_telling;
	struct plugin_batch *batch; // in which the callback is, or NULL; `called` is NULL then
	struct plugin_wave *wave; // see plugin_wave.h
	uint32_t wave_count; // packets that wait in it
	uint32_t wave_number; // of the one they wait in, 1 on
	uint64_t wave_end_ns; // engine time it does not reach
	uint64_t batching; // plugins that take batches
	uint64_t just_failed; // of failed_closed, in the millisecond just_failed_ms; see
			      // plugin_stage.c
	uint64_t just_failed_ms;
	bool in_hand; // packets[0] is between worker_rx and aqm_enqueue

	struct stream_stage stream;
	struct observers observers;

	struct slab blocks; // struct plugin_block of sessions, by session_cold.context
	uint32_t lock_count;
	uint32_t lock_oldest; // block ids, 0: none; see session_lock.c
	uint32_t lock_newest;
	struct expectations expectations;
	struct plugin_timers *timers; // NULL: no plugin has use for them

	struct policy_set *policy;
	_Atomic(struct policy_set *) policy_committed;
	_Atomic uint64_t generation_sessions[POLICY_SETS_MAX];

	struct ledger ledger;
	_Atomic uint32_t sequence; // odd while `published` is being written
	struct ledger published;

	_Atomic(struct worker_command *) command;
	_Atomic bool running;
	_Atomic uint64_t boundaries; // between two bursts, passed
	pthread_mutex_t border; // held to change `running`, and by control in the worker's place
	int wake_fd; // eventfd: a command, stop or another worker waits
	struct handoff *handoff; // NULL: one worker, or replay; see handoff_stage.h
	_Atomic bool asleep; // another worker that has something for it writes wake_fd
	uint64_t next_stats_ns;
	uint64_t start_ns;

	struct recording_writer *recorder; // NULL: what it takes in is not recorded
	uint64_t order; // of the packet in hand, for records; see spread_replay.h
	struct output_ring output_ring;
};

struct engine {
	struct engine_config config;
	struct target_list targets;
	struct interface interfaces[STELLAR_INTERFACES_MAX];
	uint16_t interface_count;
	uint32_t wire_count;
	struct plugin_host *plugins[STELLAR_PLUGINS_MAX]; // control's; workers ask their table
	size_t plugin_count;
	struct plugin_account *accounts[STELLAR_PLUGINS_MAX]; // by id, from start on
	_Atomic(struct plugin_table *) plugin_target; // see plugin_table.h
	uint32_t reload_count;
	pthread_mutex_t versions_lock; // held to take versions away, and to read their figures
	struct derived_event *derived[DERIVED_EVENTS_MAX]; // by id; plugin_derived.h
	_Atomic uint32_t derived_count; // only grows
	uint32_t block_size;
	struct worker **workers;
	struct session_secret home_secret; // see spread.h
	struct worker *reader; // replay with several workers; NULL: they read themselves
	struct spread_replay *replay;
	_Atomic uint32_t receiving_count; // interfaces that are still received from
	_Atomic uint32_t finished_count; // workers
	bool start_tried; // also when it failed
	bool started;
	bool is_live; // some device is
	uint64_t clock_offset_ns; // from the monotonic clock to the date, taken at start
	_Atomic(struct policy_set *) policy_target;
	struct policy_set *policy_sets[POLICY_SETS_MAX];
	_Atomic uint64_t disabled[PLUGIN_VERSIONS_MAX]; // plugins, by version number
	_Atomic bool stop;
	uint32_t boundary_wait_ms; // how long control waits for a worker
	struct output output;
	struct recording_request recording;
	struct recorder *recorder; // NULL: it does not record
	struct recording_replay *recorded; // NULL: it replays no recording
	char *session_directories[SESSION_DIRECTORIES_MAX];
	uint32_t session_directory_count;
	struct watchdog watchdog;
	bool has_observer[STELLAR_OBSERVERS_MAX];
	struct warm_restart *restart; // NULL: sessions end with the process
	bool has_own_seed; // of the hash: not a random one
	_Atomic bool hand_over; // stop, but leave the sessions to a successor
};

// worker.c
uint64_t engine_clock_offset_ns(void);
uint64_t engine_live_clock_ns(const struct engine *engine);
int worker_create(struct engine *engine, uint32_t id, struct worker **ret_worker);
void worker_destroy(struct worker *worker);
// Wait until the worker has passed a boundary, unless it does not run. Returns 0 or -ETIMEDOUT.
// Control thread.
int worker_wait_boundary(struct worker *worker);
// Wait until the worker has followed the policy target, or follow it in its place when it does not
// run. Returns 0, or -ETIMEDOUT: it will follow at its next boundary. Control thread.
int worker_wait_policy(struct worker *worker, const struct policy_set *set);
// The same for the plugins.
int worker_wait_plugins(struct worker *worker, const struct plugin_table *table);
// Run command between two bursts of the worker. Returns 0, -ESHUTDOWN (it does not run) or
// -ETIMEDOUT (it came to no boundary); the command is not run then. Any thread but the worker's.
int worker_call(struct worker *worker, struct worker_command *command);
// Copy what the worker published last.
void worker_read_ledger(const struct worker *worker, struct ledger *ret_ledger);
// Make `published` equal to `ledger`. Worker's thread.
void worker_publish(struct worker *worker);
// Do what a burst in worker->frames asks for. clock_ns: the wall clock, or 0: each packet brings
// its own time. Worker's thread.
void worker_process_burst(struct worker *worker, uint16_t ingress_id, size_t count,
			  uint64_t clock_ns);
// No packet came until now. is_idle: not the beginning of the loop. Worker's thread.
void worker_pass_time(struct worker *worker, uint64_t clock_ns, bool is_idle);
// Nothing waits: let time pass for the timers, and sleep until something comes. Worker's thread.
void worker_idle(struct worker *worker);
// Between two bursts: do what other threads wait for. Worker's thread.
void worker_boundary(struct worker *worker);
// Make it look around when it sleeps. Any thread.
void worker_wake(struct worker *worker);
// What packets[position]'s home does with it: session and plugins, in order. Worker's thread.
void worker_judge(struct worker *worker, size_t position);

// The session that a plugin is called for, or NULL. Worker's thread.
static inline struct session *worker_get_called(const struct worker *worker)
{
	const struct plugin_batch *batch = worker->batch;

	return batch != NULL ? batch->entries[batch->position].session : worker->called;
}

// Engine time of the packet in hand, also within a wave. Worker's thread.
static inline uint64_t worker_get_time_ns(const struct worker *worker)
{
	const struct plugin_batch *batch = worker->batch;

	return batch != NULL ? batch->entries[batch->position].event->time_ns : worker->now_ns;
}

// Sum of what all workers published last. Any thread.
void engine_sum_ledgers(const struct engine *engine, struct ledger *ret_sum);

// Whether the worker receives from an interface, and is not done with it.
bool worker_receives_from(const struct worker *worker, const struct interface *interface);

// merge.c: several captures in the order of time. init makes worker->merge when there are several.
// Returns 0 or -ENOMEM.
int merge_init(struct worker *worker);
// The next frames, all of one interface, into worker->frames. Returns their number, 0 when nothing
// waits, -EBADMSG or -ENETDOWN.
int merge_receive(struct worker *worker, uint16_t *ret_interface_id, bool *ret_all_ended);
// Count and give back what waits. The worker stops.
void merge_give_up(struct worker *worker);

// stages.c: one packet.
void stage_decode(struct worker *worker, struct packet *packet, const struct frame *frame,
		  uint16_t ingress_id);
// Count a packet in: the first thing done in packet order.
void stage_receive(struct worker *worker, const struct packet *packet);
// A judged packet: write its records, build its reply, and let it leave. stage_egress does all
// three. When the packet's home is another worker than its receiver, the home does the first two,
// the receiver the last, which is where packets are counted out.
void stage_record(struct worker *worker, struct packet *packet);
// Returns the length of the reply in ret_frame (BUILD_REPLY_MAX bytes), 0: none.
uint32_t stage_build_reply(const struct worker *worker, const struct packet *packet,
			   uint8_t *ret_frame);
// reply stays the caller's, until stage_send.
void stage_leave(struct worker *worker, struct packet *packet, uint8_t *reply,
		 uint32_t reply_length);
void stage_egress(struct worker *worker, struct packet *packet);
// A packet that its caller does not let leave.
void stage_give_up(struct worker *worker, struct packet *packet, uint8_t reason);
// Let a frame leave where the packet does.
void stage_forward(struct worker *worker, const struct packet *packet, const struct frame *frame);
// Send a reply that was built for a packet.
void stage_send_reply(struct worker *worker, const struct packet *packet, uint8_t *reply,
		      uint32_t length);
// Queue a packet that the engine made: count it, and let it leave. NO_INTERFACE: it goes nowhere.
// The bytes stay the caller's, until stage_send.
void stage_send_generated(struct worker *worker, uint16_t egress_id, const struct frame *frame);
// By which interface packets reach the sender of this one.
uint16_t stage_get_way_back(const struct worker *worker, const struct packet *packet);
void stage_send(struct worker *worker);

// session_stage.c: sessions begin, live and end.
// Keys, hashes and hints of the burst's first count packets.
void session_stage_prepare(struct worker *worker, size_t count);
// Give packets[position] its session, raise events into the queue, or settle its verdict. Returns
// 0, or -ENOENT when it has no session.
int session_stage(struct worker *worker, size_t position);
// What a session begins with, which is in the table: interfaces, generation, figures, parent.
void session_stage_begin(struct worker *worker, const struct packet *packet, uint32_t index);
// A block that a policy asked for lapses with that policy. Returns index, or SESSION_NONE: closed.
uint32_t session_stage_lapse_block(struct worker *worker, uint32_t index);
// Close a session that has no children.
void session_stage_close_alone(struct worker *worker, uint32_t index, uint8_t reason);
// Move engine time forward and close what is due.
void session_stage_advance(struct worker *worker, uint64_t time_ns);
// session_expired_fn of the worker's table.
void session_stage_expired(void *worker, uint32_t index, uint64_t due_ms);
// Fill a handle for a session of the table.
void session_view(struct worker *worker, uint32_t index, struct session *ret_session);
// The handle of a session whose packet is in hand while events are delivered: the packet's own, or
// that of its tunnel; else NULL.
struct session *session_in_hand(struct worker *worker, uint32_t index);
void session_record_fill(const struct session *session, struct session_record *ret_record);

// plugin_dispatch.c
bool plugin_wants(const struct worker *worker, uint8_t event);
int plugin_block_open(struct worker *worker, struct session *session);
void plugin_block_close(struct worker *worker, struct session *session);
// Count an event that is raised. plugin_deliver does it.
void plugin_count_event(struct worker *worker, const struct event *event);
void plugin_deliver(struct worker *worker, struct session *session, const struct event *event);
// Only to these plugins, and not counted.
void plugin_deliver_to(struct worker *worker, struct session *session, const struct event *event,
		       uint64_t plugins);
// Queue an event of the session in hand, or of any; key: of metadata_changed, else NULL.
// The same for the session in hand, zeroed, for the caller to fill; NULL: the queue is full.
struct event *plugin_queue_own(struct worker *worker);
void plugin_queue(struct worker *worker, const struct event *event, const char *key);
// Returns 0, or -ENOSPC: counted, not queued. The bytes of a derived event are copied, and the key.
int plugin_queue_for(struct worker *worker, uint32_t index, const struct event *event,
		     const char *key);
// Deliver what stands in the queue from place `first` on, and what that causes. session: the handle
// of the session whose packet is in hand, or NULL; others get one of their own.
void plugin_drain(struct worker *worker, struct session *session, uint32_t first);
// Deliver what the session stage raised for a packet and settle its verdict.
void plugin_stage(struct worker *worker, struct packet *packet);
// The second half of it, for what the plugins have been called for already.
void plugin_stage_settle(struct worker *worker, struct packet *packet);

// records.c: fill output records.
void record_session(struct worker *worker, const struct session *session, uint8_t closing_reason);
void record_drop(struct worker *worker, const struct packet *packet);
void record_anomaly(struct worker *worker, const struct packet *packet);
// event: static, one of stream_stage.c. packet may be NULL: nothing is written.
void record_stream_anomaly(struct worker *worker, const struct packet *packet, const char *event);
// What a plugin says, as session_log does; session: NULL, of none. Returns 0 or -EMSGSIZE.
int record_log(struct worker *worker, const struct session *session, uint16_t plugin_id,
	       uint8_t level, const char *text, size_t length);
// One that was kept until its packet leaves.
void record_copy(struct worker *worker, const struct output_record *record);
// The figures of the engine: of one worker or, when there are several, of all.
void record_stats(struct worker *worker);
