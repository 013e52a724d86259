// SPDX-License-Identifier: Apache-2.0

// What the data path decides for a packet, and who decided it. One record per packet: plugins make
// requests, the engine merges them (the strictest wins) and remembers the author of each part, so
// that every verdict explains itself.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <stellar/stats.h>
#include <stellar/version.h>

struct session;

// Ordered by strictness: a larger value wins over a smaller one.
enum stellar_disposition {
	STELLAR_CONTINUE, // no opinion
	STELLAR_PASS, // wanted through
	STELLAR_HOLD, // kept by the engine until released or its time is over
	STELLAR_DROP, // does not leave
	STELLAR_DISPOSITION_COUNT,
};

// Sent to the originator of a dropped packet.
enum stellar_reply {
	STELLAR_REPLY_NONE,
	STELLAR_REPLY_RST, // TCP RST; an ICMP error for what is not TCP
	STELLAR_REPLY_ICMP, // destination unreachable, administratively prohibited
	STELLAR_REPLY_COUNT,
};

// What happens to traffic when the one who should decide it can't.
enum stellar_fail_action {
	STELLAR_FAIL_CLOSED,
	STELLAR_FAIL_OPEN,
	STELLAR_FAIL_ACTION_COUNT,
};

#define STELLAR_PLUGIN_NONE UINT16_MAX // the engine itself decided
#define STELLAR_RULE_NONE 0u // no rule: a default or an engine reason

// The record. Final layout; grows only at its end.
struct verdict {
	uint8_t disposition; // enum stellar_disposition
	uint8_t reply; // enum stellar_reply
	bool block; // drop the rest of the session too
	bool bypass; // every interested plugin consented
	uint8_t drop_reason; // enum stellar_drop_reason; counts when disposition is DROP
	uint8_t session_state; // enum stellar_session_state when judged
	uint8_t tcp_state; // finer TCP state when judged, 0 if not TCP
	uint8_t reserved;
	uint16_t disposition_plugin_id; // who asked for each part, or STELLAR_PLUGIN_NONE
	uint16_t block_plugin_id;
	uint16_t reply_plugin_id;
	uint16_t rate_limit_plugin_id;
	uint32_t rate_limit_group; // 0: none
	uint32_t generation; // of the policy that judged; 0: none in force
	uint32_t rule_id; // 1-based place in the compiled policy, or STELLAR_RULE_NONE
	uint32_t queue_id; // egress queue, 0: direct
};

// What one plugin asks for in one call.
struct verdict_request {
	uint8_t disposition; // enum stellar_disposition
	uint8_t reply; // enum stellar_reply; only with DROP
	bool block; // only with DROP
	uint8_t drop_reason; // enum stellar_drop_reason; 0 becomes STELLAR_DROPPED_PLUGIN
	uint32_t rule_id; // the rule behind it, or STELLAR_RULE_NONE
	uint32_t
		hold_ms; // with HOLD: engine time until hold_outcome happens; 0: 1000, or as before
	uint8_t hold_outcome; // with HOLD: STELLAR_PASS, or STELLAR_DROP (also what 0 means)
	uint8_t reserved[3];
};

#define STELLAR_HOLD_MAX_MS 60000u

// Ask for a verdict on the current packet. Requests merge: drop beats hold beats pass beats
// continue; block and reply go with drop. A request never weakens an earlier one.
// Worker thread, inside a callback. Returns 0; -EINVAL when there is no current packet or it is not
// this session's, reply or block comes without DROP, or a value is out of range.
//
// HOLD: the packet waits, judged by all plugins but for this, and with it, so that order is kept,
// every later packet of the session that goes the same way. It leaves when each plugin that holds
// it has released it, or its time is over (then: the outcome declared; drop reason hold_expired),
// or the session ends (the same; blocked: dropped, blocked_session). At shutdown it has its outcome
// before the session closes; a successor (engine_hand_over) gets none of it. It passes no plugin
// again. Held again by the same plugin the longer time and the stricter outcome count. Beyond the
// limits hold_frames (a worker) and hold_session (a session), more than 8 plugins, or a quarter of
// the limit handoff_frames of the worker that received it, it is dropped instead, drop reason
// hold_limit. On a tap the packet goes its way at once, and the verdict is only recorded.
STELLAR_PUBLIC int session_set_verdict(struct session *session,
				       const struct verdict_request *request);

// The merged record so far; valid during the call. NULL when there is no current packet.
STELLAR_PUBLIC const struct verdict *session_get_verdict(const struct session *session);

// End what the plugin being called holds of the session, the packet in hand included: PASS lets it
// leave when no other plugin holds it, before the packet in hand does; DROP drops it (drop reason
// plugin). Worker thread, inside a
// callback, also one without a packet. Returns the number of packets that the plugin held, or
// -EINVAL.
STELLAR_PUBLIC int session_release(struct session *session, enum stellar_disposition disposition);
