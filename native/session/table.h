// SPDX-License-Identifier: Apache-2.0

// The session table of one worker.
//
// Layout. A session is a 32-bit index into two parallel arrays and, when it needs more, a record in
// a slab:
//   struct session_hot        64 bytes, one line: all that a packet of a known session touches
//   struct session_cold       48 bytes: what opening, closing, listing and timers touch
//   struct session_extension  IPv6 addresses, alias key, family ties, metadata
// and one or two entries in the index (index.h), 9.1 bytes a session at capacity. No pointers but
// the metadata list, so that the arrays can outlive the process. Index 0 is "none".
//
// Growth. Capacity is a limit, not a cost: address space for hot and cold lines is reserved whole
// at creation, and memory comes as they are first touched (a page at a time; huge pages when there
// are any), so nothing of a session ever moves; an idle worker has some ready
// (session_table_prepare). The index begins small and doubles: each insertion moves one bucket,
// SESSION_INDEX_MOVES entries at most. Nothing is given back when sessions go.
//
// A packet's way through. For the burst:
//   session_table_find_packets    keys, hashes, and hints for the first packets
// then packet by packet, in order:
//   session_table_look_ahead      hints of later packets
//   session_table_advance         expire what is due before this packet's time
//   session_table_lookup          the hint saves the search, it never decides
//   session_table_insert          when there is none
//   session_table_get_direction, session_hot_touch, session_table_count
//   tcp_track, and session_table_rearm when the TCP state changed
//   session_hot_next_state        OPENING or ACTIVE
// A hint is the first candidate that the index held a moment before. Keys are unique in the table
// and a freed line matches no key, so a hint whose key matches is the answer, whatever happened
// since; any other means a search. Results therefore do not depend on how packets were cut into
// bursts.
//
// Indices are reused last in, first out; ids (session_table_get_id) never. Both are functions of
// the order of insertions and removals alone.
//
// Closing is the engine's: it raises the event, releases what plugins keep, then calls
// session_table_remove. The table tells it when: `expired` of session_table_advance, and
// session_table_pick_victim when session_table_insert said -ENOSPC and the full action is
// evict_embryonic:
//	index = session_table_pick_victim(table);
//	if (index != SESSION_NONE) { close it, reason evicted; insert again }
// Victims are sessions in OPENING that are not locked and have no children: the oldest of those
// younger than the shortest opening timeout, then, when there is none, one that a short scan comes
// across, which takes TCP sessions that are over (TIME_WAIT, CLOSED), too. One call looks at
// SESSION_VICTIM_WORK sessions in either way at most; none found means drop_new.
//
// Second keys (aliases). session_table_add_alias makes a session answer to a second key as well.
// The alias stands in the extension; its index entry leads to the same session, whose hot line says
// SESSION_HAS_ALIAS: on a mismatch of the first key the second is compared. The source side of a
// packet that came by the alias is relative to the alias key: session_table_get_direction knows.
//
// Memory that outlives the process (session_memory, region.h): hot and cold lines and extensions
// then lie in shared memory, and a successor finds the sessions again (resume.h). It trusts the
// arrays but for the sessions named in struct session_marks, which were being changed; the index,
// the timers, free lists and family ties are made anew.
//
// Thread: the worker's. Errors: -errno; a failed allocation changes nothing.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>
#include <stellar/event.h>
#include <stellar/packet.h>
#include <stellar/session.h>

#include "session/index.h"
#include "session/key.h"
#include "session/slab.h"
#include "session/timer_wheel.h"

struct metadata;
struct region_array;

#define SESSION_NONE 0u
#define SESSION_CAPACITY_MAX 0x7ffffffeu // indices have 31 bits and 0 is taken
#define SESSION_VICTIM_WORK 64u
#define SESSION_ENTRY_ALIAS 0x80000000u // bit of an index entry: it stands for the second key
#define SESSION_GROUP 8u // packets that are looked ahead for at once
#define SESSION_UPCOMING 4u // more than TIMER_WHEEL_NEAR
#define SESSION_TIMEOUT_MAX_MS 0x7fffffffu // longer timeouts are cut to this: 24 days

// session_hot.flags. The upper byte is the engine's, the table never touches it.
#define SESSION_ORIGINATOR_IS_HIGH 0x0001u
#define SESSION_HAS_ALIAS 0x0002u
#define SESSION_LOCKED 0x0004u // never a victim; who locked it is the engine's to know
#define SESSION_ICMP_REPLY_FIRST 0x0008u // the first packet answered a request we did not see
#define SESSION_SCALE_OFFERED 0x0010u // TCP: the first SYN had a window scale option
#define SESSION_MIDSTREAM 0x0020u // TCP: picked up without its handshake
#define SESSION_ALIAS_ORIGINATOR_IS_HIGH 0x0040u
#define SESSION_HAS_CHILDREN 0x0080u // never a victim: its children are
#define SESSION_BLOCKED 0x0100u // engine: drop the rest
#define SESSION_BYPASSED 0x0200u // engine: no plugin sees the rest
#define SESSION_BLOCKED_BY_POLICY 0x0400u // engine: the block lapses with its generation
// 0x0800 is the engine's too: see worker.h
#define SESSION_CLOSING_REASON_SHIFT 12 // engine: top four bits, enum stellar_closing_reason
_Static_assert(STELLAR_CLOSING_REASON_COUNT <= 16, "four bits");

// Indices [2] are enum stellar_direction.
struct session_hot {
	union {
		struct {
			uint16_t port_low;
			uint16_t port_high;
			uint32_t tag;
		};
		uint64_t ports_tag;
	};
	// IPv4: both addresses. IPv6: the hash; the addresses are in the extension.
	uint64_t address;
	union {
		struct {
			uint16_t tenant;
			uint8_t protocol;
			uint8_t version; // 4, 6; 0: the line is free
		};
		uint32_t realm;
	};
	uint32_t last_seen_ms; // engine time, low 32 bits
	uint32_t packets[2]; // low words, high ones in the cold record
	uint32_t bytes[2];
	uint32_t seq_end[2]; // TCP, see tcp.h
	uint32_t acked[2];
	uint16_t max_window[2];
	uint16_t flags; // SESSION_*
	uint8_t window_scale; // forward in the low four bits, reverse in the high four
	uint8_t tcp_state : 4; // enum stellar_tcp_state
	uint8_t state : 2; // enum stellar_session_state
	uint8_t syn_moved : 1; // TCP: numbers of an earlier SYN are kept, see tcp_track.c
	uint8_t reserved : 1;
};
_Static_assert(sizeof(struct session_hot) == 64, "one cache line");

struct session_cold {
	struct timer_link timer;
	uint64_t start_ns;
	uint32_t serial_low; // see session_table_get_id
	uint16_t serial_high;
	uint16_t ingress_id;
	uint16_t egress_id;
	uint16_t bytes_high[2]; // totals have 48 bits, those of packets 40
	uint8_t packets_high[2];
	uint32_t context; // the plugin manager's: contexts of the plugins, 0: none
	uint32_t extension; // slab id, 0: none
	uint32_t generation; // of the policy that judged it, 0: none
	uint32_t rule_id; // of the last session verdict, STELLAR_RULE_NONE when none
};
_Static_assert(sizeof(struct session_cold) == 48, "part of the price of a session");

struct session_extension {
	uint64_t address[4]; // IPv6, as in the key
	uint32_t parent; // indices, SESSION_NONE: none
	uint32_t first_child; // the oldest
	uint32_t next_sibling;
	uint32_t previous_sibling; // of the oldest: the youngest
	uint32_t child_count;
	struct metadata *metadata;
	struct session_key alias; // valid with SESSION_HAS_ALIAS
};

// What a successor must know beside the arrays.
struct session_marks {
	union {
		struct {
			uint32_t changing; // by the packet in hand, SESSION_NONE: none is
			uint32_t outer; // the session of the tunnel that packet came in
		};
		uint64_t in_hand;
	};
	uint32_t closing; // and this one is being closed
	uint32_t used_count; // see session_table
	uint32_t extension_count; // ids of extensions ever given out
	uint64_t serial;
	uint64_t now_ns; // engine time: no session was seen later
};

// Where what outlives the process lies; the owner's, longer than the table. All NULL: in memory of
// its own.
struct session_memory {
	struct region_array *hot; // of capacity + 1 records
	struct region_array *cold;
	struct region_array *extensions; // whole chunks of SLAB_CHUNK records
	struct session_marks *marks;
};

// A session is due: close it (session_table_remove), or keep it with session_table_rearm. due_ms:
// the millisecond at which that is so, whatever time the caller of session_table_advance has
// reached; from call to call it never goes back.
typedef void (*session_expired_fn)(void *owner, uint32_t index, uint64_t due_ms);

struct session_table_config {
	uint64_t capacity; // sessions; 1 to SESSION_CAPACITY_MAX
	struct session_secret secret;
	struct session_timeouts timeouts;
	uint64_t now_ms; // engine time at the start
	uint64_t hash_mask; // bits of the hash that are used, 0: all. Less only in tests
	session_expired_fn expired;
	void *owner; // given to expired
	uint16_t worker_id; // top bits of ids
	uint64_t alias_capacity; // room in the index for second keys
	struct session_memory memory;
};

struct session_table {
	struct session_hot *hot;
	struct session_cold *cold;
	struct session_index index;
	struct slab extensions;
	struct timer_wheel wheel;
	struct session_secret secret;
	uint64_t hash_mask;
	uint64_t serial; // of the last session
	uint64_t id_base; // worker_id << 48
	session_expired_fn expired;
	void *owner;
	size_t hot_bytes; // mapped
	size_t cold_bytes;
	size_t hot_ready; // of them, from the first, prepared
	size_t cold_ready;
	uint32_t capacity;
	uint32_t count; // sessions now
	uint32_t alias_count;
	uint32_t alias_capacity;
	uint32_t free_head; // LIFO through cold.timer.next
	uint32_t used_count; // indices ever given out
	uint32_t victim_hand; // where the scan for a victim goes on
	struct session_memory memory; // marks are always there
	struct session_marks own_marks; // when nothing outlives the process
	// Hashes of sessions that the timers come to next; index SESSION_NONE: unknown.
	struct {
		uint64_t hash;
		uint32_t index;
	} upcoming[SESSION_UPCOMING];
	uint32_t upcoming_next;
	uint32_t timeout_ms[STELLAR_TCP_STATE_COUNT]; // by TCP state
	uint32_t udp_timeout_ms[STELLAR_SESSION_STATE_COUNT];
	uint32_t icmp_timeout_ms;
	uint32_t other_timeout_ms;
};

// Reserves address space for the whole capacity. Returns 0, -EINVAL (capacity, callback) or
// -ENOMEM.
int session_table_create(const struct session_table_config *config,
			 struct session_table **ret_table);

// Frees everything, metadata values too. No callbacks but theirs. Accepts NULL.
void session_table_destroy(struct session_table *table);

// When there is nothing else to do: have memory ready for sessions to come, one page a call, so
// that the packet that opens the first session in a page does not wait for the system to clear it.
// Changes nothing that can be seen. Returns whether it did something.
bool session_table_prepare(struct session_table *table);

// Bytes of memory taken: index, the hot and cold lines ever used, and extensions; not what outlives
// the process (session_memory).
uint64_t session_table_get_bytes(const struct session_table *table);

uint64_t session_table_hash(const struct session_table *table, const struct session_key *key);

// For a whole burst: hashes, and hints for the lookups of its first packets, whose memory is on its
// way to the cache afterwards. Any count.
void session_table_find_burst(const struct session_table *table, const struct session_key *keys,
			      size_t count, uint64_t *ret_hashes, uint32_t *ret_hints);

// The same from the packets, whose keys it makes too (see session_key_from_packets): the memory
// works on the first ones meanwhile.
void session_table_find_packets(const struct session_table *table, const struct packet *packets,
				size_t count, struct session_key *ret_keys, bool *ret_has_key,
				uint64_t *ret_hashes, uint32_t *ret_hints);

// Before packet `position` of such a burst is looked up: hints for later ones. So the memory always
// has something to fetch, and never too much at once, while packets are worked on. Hints that
// nobody asked for in this way are SESSION_NONE.
static inline void session_table_look_ahead(const struct session_table *table,
					    const uint64_t *hashes, size_t count, size_t position,
					    uint32_t *hints);

// The session of a key, or SESSION_NONE. hint: from session_table_find_burst, or SESSION_NONE.
static inline uint32_t session_table_lookup(const struct session_table *table,
					    const struct session_key *key, uint64_t hash,
					    uint32_t hint);

// Make a session of a key that is not in the table: state OPENING, timer armed, counters 0, the
// key's source is the originator, times from time_ns (engine time). Returns 0; -ENOSPC when the
// table is full (see session_table_pick_victim); -ENOMEM.
int session_table_insert(struct session_table *table, const struct session_key *key, uint64_t hash,
			 uint64_t time_ns, uint32_t *ret_index);

// The oldest session in OPENING that is still in its first timeout and may go, or SESSION_NONE.
uint32_t session_table_get_oldest_opening(struct session_table *table);

// Who goes when the table is full, or SESSION_NONE. The session is untouched, but its place among
// the victims may be gone: close it.
uint32_t session_table_pick_victim(struct session_table *table);

// Forget a session: keys, timer, extension; metadata values are freed. Its closing is over.
void session_table_remove(struct session_table *table, uint32_t index);

// Second key. Returns 0; -EEXIST when the session has one or the key is in the table; -ENOSPC when
// the index has no room; -ENOMEM. The alias's source side is the originator's.
int session_table_add_alias(struct session_table *table, uint32_t index,
			    const struct session_key *alias);
// Returns 0 or -ENOENT.
int session_table_remove_alias(struct session_table *table, uint32_t index);

// The extension, or NULL when there is none (get) or no memory for one (need). Stays where it is
// until the session is removed.
struct session_extension *session_table_get_extension(const struct session_table *table,
						      uint32_t index);
struct session_extension *session_table_need_extension(struct session_table *table, uint32_t index);

// Next session after index in order of indices, SESSION_NONE at the end. Start with SESSION_NONE.
uint32_t session_table_next(const struct session_table *table, uint32_t index);

// Unique in the life of the engine, never reused: worker_id << 48 | serial, serials from 1.
uint64_t session_table_get_id(const struct session_table *table, uint32_t index);

// Key and endpoints as <stellar/session.h> gives them.
void session_table_get_key(const struct session_table *table, uint32_t index,
			   struct session_key *ret_key);
void session_table_get_endpoints(const struct session_table *table, uint32_t index,
				 struct packet_endpoint *ret_originator,
				 struct packet_endpoint *ret_responder);

// Totals, and the time of the last packet, ns at 1 ms.
uint64_t session_table_get_packets(const struct session_table *table, uint32_t index,
				   enum stellar_direction direction);
uint64_t session_table_get_bytes_of(const struct session_table *table, uint32_t index,
				    enum stellar_direction direction);
uint64_t session_table_get_last_ns(const struct session_table *table, uint32_t index);

// Idle time that the session's state allows, ms.
uint32_t session_table_get_timeout_ms(const struct session_table *table, uint32_t index);

// After a change of state: move the timer when the timeout became shorter than previous_timeout_ms
// (longer ones find their way by themselves). In an `expired` callback: arm it again.
void session_table_rearm(struct session_table *table, uint32_t index, uint32_t previous_timeout_ms);

// Move time forward, calling `expired` for each session that is due, in order of its deadline.
// Cheap when nothing is due.
static inline void session_table_advance(struct session_table *table, uint64_t now_ms);

// Direction of a packet of a session: its key as looked up.
static inline enum stellar_direction session_table_get_direction(const struct session_table *table,
								 uint32_t index,
								 const struct session_key *key);

// State that a packet in this direction leads to; the same as now when there is no change. TCP:
// after tcp_track. Others become ACTIVE with the first packet of the responder.
static inline enum stellar_session_state session_hot_next_state(const struct session_hot *hot,
								enum stellar_direction direction);

// Why a session whose time is over closes: fin, rst or timeout.
enum stellar_closing_reason session_hot_closing_reason(const struct session_hot *hot);

// Count one packet of wire_length bytes. With last_seen_ms, what each packet does to its session.
static inline void session_table_count(struct session_table *table, uint32_t index,
				       enum stellar_direction direction, uint32_t wire_length);

// Between these two a packet changes what its session keeps: who dies there leaves it torn. One
// session at a time, and one for the tunnel around it; the last one begun counts.
// session_table_insert begins.
static inline void session_table_begin_change(struct session_table *table, uint32_t index);
static inline void session_table_begin_outer_change(struct session_table *table, uint32_t index);
static inline void session_table_end_change(struct session_table *table);

// The same for a session that closes; session_table_remove ends it.
static inline void session_table_begin_closing(struct session_table *table, uint32_t index);
static inline void session_table_end_closing(struct session_table *table);

// The session is alive at now_ms (engine time).
static inline void session_hot_touch(struct session_hot *hot, uint64_t now_ms);

// What follows is the common case of the functions above, here for the compiler, and the rare one
// in table.c. Not for others to call.

void session_table_look_further(const struct session_table *table, const uint64_t *hashes,
				size_t count, size_t position, uint32_t *hints);
uint32_t session_table_search(const struct session_table *table, const struct session_key *key,
			      uint64_t hash, uint32_t hint);
enum stellar_session_state session_hot_leave_opening(const struct session_hot *hot,
						     enum stellar_direction direction);
uint16_t session_table_get_side_flag(const struct session_table *table, uint32_t index,
				     const struct session_key *key);
void session_table_carry(struct session_table *table, uint32_t index,
			 enum stellar_direction direction, bool packets, bool bytes);

static inline bool session_hot_is_v4_match(const struct session_hot *hot,
					   const struct session_key *key)
{
	uint64_t differences = (hot->ports_tag ^ key->ports_tag) | (hot->realm ^ key->realm) |
			       (hot->address ^ key->address[0]);
	return differences == 0 && key->version == 4;
}

static inline void session_table_prefetch(const struct session_table *table, uint32_t hint)
{
	__builtin_prefetch(&table->hot[hint], 1);
}

static inline void session_table_look_ahead(const struct session_table *table,
					    const uint64_t *hashes, size_t count, size_t position,
					    uint32_t *hints)
{
	if (position % SESSION_GROUP == 0)
		session_table_look_further(table, hashes, count, position, hints);
}

static inline uint32_t session_table_lookup(const struct session_table *table,
					    const struct session_key *key, uint64_t hash,
					    uint32_t hint)
{
	// Line 0 is free: it matches no key.
	if (__builtin_expect(session_hot_is_v4_match(&table->hot[hint], key), true))
		return hint;
	return session_table_search(table, key, hash, hint);
}

static inline void session_table_advance(struct session_table *table, uint64_t now_ms)
{
	if (timer_wheel_is_due(&table->wheel, now_ms))
		timer_wheel_advance(&table->wheel, now_ms);
	else if (now_ms > table->wheel.now_ms)
		table->wheel.now_ms = now_ms;
}

static inline enum stellar_direction session_table_get_direction(const struct session_table *table,
								 uint32_t index,
								 const struct session_key *key)
{
	uint16_t side = SESSION_ORIGINATOR_IS_HIGH;
	if (__builtin_expect(table->hot[index].flags & SESSION_HAS_ALIAS, false))
		side = session_table_get_side_flag(table, index, key);
	bool originator_is_high = (table->hot[index].flags & side) != 0;
	return (enum stellar_direction)(key->source_is_high ^ originator_is_high);
}

static inline void session_table_count(struct session_table *table, uint32_t index,
				       enum stellar_direction direction, uint32_t wire_length)
{
	struct session_hot *hot = &table->hot[index];
	if (__builtin_expect(
		    __builtin_add_overflow(hot->packets[direction], 1, &hot->packets[direction]),
		    false))
		session_table_carry(table, index, direction, true, false);
	if (__builtin_expect(__builtin_add_overflow(hot->bytes[direction], wire_length,
						    &hot->bytes[direction]),
			     false))
		session_table_carry(table, index, direction, false, true);
}

// The compiler must not move the stores of a session out from between the marks. The processor may:
// a process that dies has done its instructions in order.
static inline void session_table_begin_change(struct session_table *table, uint32_t index)
{
	table->memory.marks->changing = index;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void session_table_begin_outer_change(struct session_table *table, uint32_t index)
{
	table->memory.marks->outer = index;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void session_table_end_change(struct session_table *table)
{
	atomic_signal_fence(memory_order_seq_cst);
	table->memory.marks->in_hand = SESSION_NONE;
}

static inline void session_table_begin_closing(struct session_table *table, uint32_t index)
{
	table->memory.marks->closing = index;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void session_table_end_closing(struct session_table *table)
{
	atomic_signal_fence(memory_order_seq_cst);
	table->memory.marks->closing = SESSION_NONE;
}

static inline void session_hot_touch(struct session_hot *hot, uint64_t now_ms)
{
	hot->last_seen_ms = (uint32_t)now_ms;
}

static inline enum stellar_session_state session_hot_next_state(const struct session_hot *hot,
								enum stellar_direction direction)
{
	if (__builtin_expect(hot->state != STELLAR_SESSION_OPENING, true))
		return (enum stellar_session_state)hot->state;
	return session_hot_leave_opening(hot, direction);
}
