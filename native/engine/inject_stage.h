// SPDX-License-Identifier: Apache-2.0

// Packets that plugins inject (<stellar/inject.h>), from the callback until they leave.
//
// Asked for. With a packet in hand they wait in its attachment (hold.h). Whatever can fail is done
// there and then: the memory is taken, the frame is written. Left open are the numbers of TCP,
// which hang on whether the packet in hand goes on.
//
// Leaving. Right after the packet, or in its place, their numbers are reckoned by who judged it and
// has the session, and they are sent by who received it: itself, or another worker, to which they
// go with the packet's slot (handoff.h). When the packet is held, and the slot with it, they go in
// one of their own. In a replay with several workers they go with the packet to the reader, or are
// put down with time and place as held packets are (`departed_injected`).
//
// What a side expects. The end of what was sent to it (seq_end of session/table.h), less what did
// not get there: the packet in hand, when it is dropped or held; the first held packet; what was
// refused of a stream, or is missing in it, where a plugin has its bytes. At least what it
// acknowledged. A payload moves the end on, so that the answer to it is inside the window.
//
// Memory. Each is an allocation of its own, freed when it was sent; at most STELLAR_INJECT_MAX and
// STELLAR_INJECT_BYTES_MAX for a packet of the burst in hand. Worker's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct packet;
struct session;
struct worker;

enum injection_kind {
	INJECTION_READY, // nothing is left open
	INJECTION_RST,
	INJECTION_PAYLOAD, // of TCP
};

struct injection {
	struct injection *next;
	uint64_t time_ns; // departed: when
	uint64_t order;
	uint32_t length; // of the frame
	uint32_t payload_length;
	uint32_t network_offset;
	uint32_t lacking; // has_lacking: what the side lacked when it was asked for
	uint16_t egress_id; // interface, or NO_INTERFACE
	uint16_t link_type;
	uint8_t kind; // enum injection_kind
	uint8_t direction; // it goes
	bool has_lacking;
	uint8_t frame[];
};

struct injection_list {
	struct injection *first;
	struct injection *last;
	uint32_t count;
	uint32_t byte_count;
};

// Accepts NULL.
void injection_free_all(struct injection *first);

// What was asked for is not to leave.
void inject_stage_forget(struct injection_list *list);

// What a side is known to lack of what was sent to it: the first number. Returns false: nothing.
bool inject_stage_find_lacking(const struct session *session, uint8_t direction,
			       uint32_t *ret_sequence);

// What is to leave after a packet that was judged, ready to be sent: the caller's. The packet's
// session is the one in hand.
struct injection *inject_stage_take(struct worker *worker, struct packet *packet);
// Send a list and free it. The worker that sends by its interfaces.
void inject_stage_send(struct worker *worker, struct injection *first);
// Count a list that can't be sent, and free it.
void inject_stage_drop(struct worker *worker, struct injection *first, uint8_t reason);
// Take and send, from here or by the packet's receiver.
void inject_stage_leave(struct worker *worker, struct packet *packet);

// Replay with several workers: the reader sends what departed by a time and packet.
void inject_stage_send_departed(struct worker *reader, uint64_t time_ns, uint64_t order);
