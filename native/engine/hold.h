// SPDX-License-Identifier: Apache-2.0

// Packets that plugins hold (STELLAR_HOLD in <stellar/verdict.h>), from their verdict until they
// leave.
//
// Asked for. What a callback asks for the packet in hand lies in an attachment (struct attachment),
// which the packet names: who holds it, and what is to leave before it because a callback released
// it. It takes effect when the packet is settled (hold_stage_settle, the end of plugin_stage) and
// when it leaves (stage_egress, or the way back to another worker): so nothing overtakes a packet
// that came earlier, however packets are cut into bursts. A callback without a packet in hand
// (timer, closing) has what it released leave at once.
//
// Held. A packet that is held, or goes the way of one in its session, gets a struct held. Its frame
// is copied, for the device's are lent for the burst, with three exceptions: what another worker
// received stays in its slot (handoff.h), which is away until then; the frames of a datagram that
// was put together stay in the defragmenter of their receiver; on a tap nothing is held. It stands
// in the queue of its session and direction, and in that of the tunnel around it when a plugin
// holds it there; it leaves when nobody holds it and it is the first of each. What is dropped goes
// at once. A session that has a held packet has a struct hold_session, named by its block.
//
// Time. A wheel of its own (engine milliseconds). At one millisecond plugin timers come first, then
// holds, then sessions that end.
//
// Several workers. The home holds, and the receiver alone counts, as in handoff_stage.h. In a
// replay what leaves is put down with its time and place (`departed`), and the reader sends it
// where it belongs between the packets of the round.
//
// The end. At shutdown what is held gets its outcome before the sessions close; when they are
// handed over to a successor it is dropped under `shutdown`. Nothing held survives the process.
//
// Memory. `hold_frames` places, reserved with the first packet held, touched as far as frames are
// long. Worker's thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>

#include "engine/inject_stage.h"
#include "packet/decode.h"
#include "session/slab.h"
#include "session/timer_wheel.h"

#define HOLD_FRAMES_MAX 65536u
#define HOLD_HOLDERS_MAX 8u // of one packet
#define HOLD_MS_DEFAULT 1000u

struct handoff_slot;
struct session;
struct verdict_request;
struct worker;

// One plugin that holds a packet.
struct holder {
	uint64_t deadline_ms;
	uint32_t session_index; // for which of the packet's sessions
	uint16_t plugin_id;
	uint8_t outcome; // enum stellar_disposition
};

struct holders {
	uint32_t count;
	bool has_more; // than there is room for: the packet can't be held
	struct holder list[HOLD_HOLDERS_MAX];
};

// Ids of struct held, 1 and up.
struct held_list {
	uint32_t first; // 0: empty
	uint32_t last;
};

// What callbacks asked for with a packet in hand.
struct attachment {
	struct holders holders;
	struct held_list leaving; // before the packet
	struct injection_list injected; // after it
	uint32_t held_id; // its place, when it is to be held
	uint32_t next_free;
};

// One for each packet of a burst, and one for callbacks without a packet.
#define ATTACHMENTS_MAX (STELLAR_BURST_MAX + 1)

// A packet's place in the queue of one of its sessions.
struct held_link {
	uint32_t session_index; // SESSION_NONE: it stands in no queue
	uint32_t next; // held ids
	uint32_t previous;
	uint8_t direction;
};

struct held {
	struct packet packet;
	struct worker *receiver;
	struct handoff_slot *slot; // where another worker's frame is, or NULL
	struct held_link links[2]; // its session, the tunnel around it
	struct holders holders;
	struct timer_link timer;
	uint32_t next; // in held_list, or free
	uint32_t frame_count;
	uint32_t session_index; // its own
	bool in_use;
	bool is_taken_out; // on its way: in no queue
	uint8_t direction;
	bool has_told_bytes; // of a TCP stream, from told_offset on
	uint64_t told_offset;
	uint64_t time_ns; // replay with several workers: when it left
	uint64_t order;
};

struct hold_session {
	struct held_list queues[2]; // by direction
	uint32_t frame_count;
};

struct hold_stage {
	struct held *held; // NULL before the first; ids are places + 1
	uint8_t *bytes;
	size_t bytes_size;
	uint32_t capacity;
	uint32_t free_id;
	uint32_t count; // packets
	uint64_t frame_count;
	uint32_t slots_held[STELLAR_WORKERS_MAX]; // by receiver
	struct slab sessions; // struct hold_session
	struct timer_wheel wheel;
	struct held_list leaving; // without a packet in hand
	struct held_list departed; // several workers in replay: for the reader
	struct injection_list departed_injected; // likewise, without a packet in hand
	struct attachment attachments[ATTACHMENTS_MAX];
	uint32_t free_attachment; // id, 0: none
};

// Make and free worker->hold. create returns 0 or -ENOMEM; destroy accepts that it is NULL.
int hold_stage_create(struct worker *worker);
void hold_stage_destroy(struct worker *worker);

// The packet's attachment, made when it has none. NULL: none is free.
struct attachment *attachment_need(struct worker *worker, struct packet *packet);

// The same, or NULL when it has none.
struct attachment *attachment_get(const struct worker *worker, const struct packet *packet);

// A plugin asks to hold the packet behind the session's event. Inside a callback.
void hold_stage_ask(struct session *session, const struct verdict_request *request);
// It ends what it holds. Returns the number of packets. Inside a callback.
int hold_stage_release(struct session *session, uint8_t disposition);
// Whether another plugin holds a packet of the session, that in hand included.
bool hold_stage_is_held_by_other(const struct session *session, uint16_t plugin_id);

// The first packet that the session holds in a direction, or NULL.
const struct packet *hold_stage_get_first(const struct session *session, uint8_t direction);

// Whether so many packets, no datagrams that were put together, can be held without a limit of the
// worker being met.
bool hold_stage_has_room(const struct worker *worker, uint32_t count);

// The packet's verdict is settled: whether it is to be held, for itself or behind another, and
// whether there is room. Sessions that are blocked now drop what they have.
void hold_stage_settle(struct worker *worker, struct packet *packet);

// The packet's way out. Before it: what callbacks released.
void hold_stage_begin_leave(struct worker *worker, struct packet *packet);
// Whether it stays: it is kept then, and the caller has no more to do. slot: where it lies when
// another worker received it.
bool hold_stage_keep(struct worker *worker, struct packet *packet, struct handoff_slot *slot);
// After it. Also when it is given up: what it asked for is forgotten.
void hold_stage_end_leave(struct worker *worker, struct packet *packet);

// What the session has gets its outcome: it closes, or is blocked.
void hold_stage_end(struct worker *worker, struct session *session);

// Holds whose time is over by then, none later. Returns the millisecond of the first that may be
// due, or UINT64_MAX.
uint64_t hold_stage_next_ms(const struct worker *worker);
void hold_stage_expire(struct worker *worker, uint64_t now_ms);

// The worker ends.
void hold_stage_finish(struct worker *worker);

// Replay with several workers: the reader lets those leave that departed by a time and packet.
void hold_stage_send_departed(struct worker *reader, uint64_t time_ns, uint64_t order);
