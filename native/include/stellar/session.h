// SPDX-License-Identifier: Apache-2.0

// A session: a layer 4-7 conversation with an originator and a responder. `struct session` is a
// handle that the engine lends for the length of one callback; it is never freed or kept by a
// plugin. A session lives on one worker: every call here is for that worker's thread, inside a
// callback, unless it says otherwise.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/packet.h>
#include <stellar/stats.h>
#include <stellar/verdict.h>
#include <stellar/version.h>

struct session;

enum stellar_session_state {
	STELLAR_SESSION_OPENING = 1, // one side seen
	STELLAR_SESSION_ACTIVE, // both sides seen; TCP: handshake complete or picked up midstream
	STELLAR_SESSION_CLOSING, // its last event is being delivered
	STELLAR_SESSION_STATE_COUNT,
};

// Finer TCP states of the table in native/session/tcp_state.c. 0: not TCP.
// clang-format off
#define STELLAR_TCP_STATES(X) \
	X(none, NONE) \
	X(syn_sent, SYN_SENT) \
	X(simultaneous_open, SIMULTANEOUS_OPEN) \
	X(syn_received, SYN_RECEIVED) \
	X(established, ESTABLISHED) \
	X(fin_wait, FIN_WAIT) \
	X(close_wait, CLOSE_WAIT) \
	X(closing, CLOSING) \
	X(last_ack, LAST_ACK) \
	X(time_wait, TIME_WAIT) \
	X(closed, CLOSED)
// clang-format on

enum stellar_tcp_state {
#define X(name, NAME) STELLAR_TCP_##NAME,
	STELLAR_TCP_STATES(X)
#undef X
		STELLAR_TCP_STATE_COUNT,
};

// Frees a metadata value. Called exactly once for each value that was set: when it is replaced,
// deleted, or when the session ends (after the closing event). Worker thread.
typedef void (*session_metadata_free_fn)(void *value, size_t value_size);

// Identity, unique in the life of an engine and of those that take its sessions over, never reused.
// EVE's flow_id.
STELLAR_PUBLIC uint64_t session_get_id(const struct session *session);
STELLAR_PUBLIC enum stellar_session_state session_get_state(const struct session *session);
STELLAR_PUBLIC enum stellar_tcp_state session_get_tcp_state(const struct session *session);

// IP protocol number: 6, 17, 1, 58, ...
STELLAR_PUBLIC uint8_t session_get_protocol(const struct session *session);

// Endpoints. Ports are host order; for ICMP the originator's port is the identifier and the
// responder's is type << 8 | code of the first packet.
STELLAR_PUBLIC void session_get_originator(const struct session *session,
					   struct packet_endpoint *ret_endpoint);
STELLAR_PUBLIC void session_get_responder(const struct session *session,
					  struct packet_endpoint *ret_endpoint);

// The segment that the session lives in, part of its key; 0: untagged.
// VLANs alone, at most two: outer << 12 | inner, a single one is the outer; bits 24 to 31 are 0.
// Bits 24 to 31 from 1 to 254: a virtual network. Bits 0 to 23 are its identifier, exactly (VXLAN,
// Geneve: VNI; NVGRE: VSID; the outermost when they are nested), the others a fold of everything
// else: the kind, VLANs around it and inside, inner identifiers.
// Bits 24 to 31 of 255: more than two VLANs, around and inside a tunnel; bits 0 to 23 fold them.
// Not in it, as they differ by direction: GTP TEID, MPLS labels, GRE key, L2TP and ERSPAN ids.
STELLAR_PUBLIC uint32_t session_get_tag(const struct session *session);

// Direction of the current packet; FORWARD when there is none.
STELLAR_PUBLIC enum stellar_direction session_get_direction(const struct session *session);

// Interfaces of the first packet, engine ids; UINT16_MAX when it has none.
STELLAR_PUBLIC uint16_t session_get_ingress_id(const struct session *session);
STELLAR_PUBLIC uint16_t session_get_egress_id(const struct session *session);

// Time of the first and of the last packet, ns since the epoch (the last one at 1 ms).
STELLAR_PUBLIC uint64_t session_get_start_ns(const struct session *session);
STELLAR_PUBLIC uint64_t session_get_last_ns(const struct session *session);

// Packets and wire bytes of one direction, the current packet included.
STELLAR_PUBLIC uint64_t session_get_packets(const struct session *session,
					    enum stellar_direction direction);
STELLAR_PUBLIC uint64_t session_get_bytes(const struct session *session,
					  enum stellar_direction direction);

// Generation of the policy that judged the session; 0 when none has.
STELLAR_PUBLIC uint32_t session_get_generation(const struct session *session);

// Why it closes; STELLAR_CLOSED_NONE while it is open.
STELLAR_PUBLIC enum stellar_closing_reason
session_get_closing_reason(const struct session *session);

// Other sessions of the family: handles that are lent for the rest of the callback, at most 16 at a
// time (NULL then). Through them everything may be read, metadata set (metadata_changed is raised
// for that session and its plugins), the session locked, taken over, bypassed, and sessions
// announced. What is about the packet in hand or about this callback is refused with -EINVAL: a
// verdict, pm_session_detach_me.

// Parent of a child session, or NULL. The parent opened before and closes after its children.
STELLAR_PUBLIC struct session *session_get_parent(const struct session *session);

// Children, oldest first: NULL gives the first, a child the one after it; NULL at the end. The
// handle given as child is used up: it may be the one that is returned.
STELLAR_PUBLIC struct session *session_get_next_child(const struct session *session,
						      const struct session *child);

// Session extra data: values under a key of 1 to 63 bytes, at most 16 of them a session. The
// value's memory stays the caller's until free_callback gets it; NULL: nothing to free.
// Setting a key again frees the old value and raises metadata_changed, as a first set and a
// deletion do. Returns 0, -EINVAL (key), -ENOSPC (16 slots used), -ENOMEM. On error nothing is
// kept and free_callback is not called.
STELLAR_PUBLIC int session_set_metadata(struct session *session, const char *key, void *value,
					size_t value_size, session_metadata_free_fn free_callback);

// The same with a copy of value_size bytes, which the engine makes and frees; value may be NULL
// when value_size is 0. Lua plugins set their values so.
STELLAR_PUBLIC int session_copy_metadata(struct session *session, const char *key,
					 const void *value, size_t value_size);

// Returns 0 and the value as it was set, or -ENOENT and leaves the out-parameters alone. Either
// out-parameter may be NULL. The value stays the session's.
STELLAR_PUBLIC int session_get_metadata(const struct session *session, const char *key,
					void **ret_value, size_t *ret_value_size);

// Deletes and frees a value. Returns 0 or -ENOENT.
STELLAR_PUBLIC int session_del_metadata(struct session *session, const char *key);

// Hold bypass, takeover and eviction off until session_unlock, the session's closing, 60 s of
// engine time, or the holder's leaving the session (detach, failure). Not a mutex: a session lives
// on one worker. plugin_id is the caller's own (pm_session_plugin_id). Returns 0; -EBUSY when
// another plugin holds it; -ENOSPC when 65536 sessions of this worker are locked; -EINVAL for
// another plugin's id.
STELLAR_PUBLIC int session_lock(struct session *session, uint16_t plugin_id);
STELLAR_PUBLIC int session_unlock(struct session *session, uint16_t plugin_id);

// Drop the current packet: session_set_verdict with STELLAR_DROP. Returns 0 or -EINVAL.
STELLAR_PUBLIC int session_drop_current_packet(struct session *session);

// Drop it and the rest of the session, answering with reply. Returns 0 or -EINVAL.
STELLAR_PUBLIC int session_reject(struct session *session, enum stellar_reply reply);

// Put the session into a rate-limit group from the next packet on; 0 takes it out.
// Returns 0; -ENOSYS for a group other than 0 until there are queues.
STELLAR_PUBLIC int session_set_ratelimit_group(struct session *session, uint32_t group_id);

// Consent to the rest of the session going unseen. Takes effect when every plugin that still
// wants events of it has consented and none holds the lock. Returns 0 or -EBUSY (locked).
STELLAR_PUBLIC int session_bypass(struct session *session);

// Names as in events and policies, or NULL when out of range. Static, any thread.
STELLAR_PUBLIC const char *stellar_session_state_name(uint32_t state);
STELLAR_PUBLIC const char *stellar_tcp_state_name(uint32_t state);
