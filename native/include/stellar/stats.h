// SPDX-License-Identifier: Apache-2.0

// The ledger of packets. Conservation law, in wire frames, exact at every burst boundary:
//
//     received + generated = forwarded + dropped (by reason) + local + held
//
// Each packet that does not leave increments exactly one drop reason. The names below are the ones
// of `--stats` JSON, of Prometheus metrics and of EVE drop events.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct engine;

// X(name, NAME, sentence). The first is a guard: it is never counted.
// clang-format off
#define STELLAR_DROP_REASONS(X) \
	X(none, NONE, "not dropped") \
	X(policy_rule, POLICY_RULE, "a policy rule says drop or reject") \
	X(policy_default, POLICY_DEFAULT, "no rule matched and the default is deny") \
	X(blocked_session, BLOCKED_SESSION, "an earlier verdict blocked the whole session") \
	X(plugin, PLUGIN, "a plugin dropped it without naming a reason") \
	X(plugin_failed, PLUGIN_FAILED, "a failed plugin's declared action is fail closed") \
	X(malformed, MALFORMED, "a header is truncated or contradicts itself") \
	X(checksum, CHECKSUM, "a checksum is wrong and verification is on") \
	X(non_ip, NON_IP, "not IP and the wire does not let it cross") \
	X(fragment, FRAGMENT, "a fragment that can't be put together: cut by the capture, or nested too deep") \
	X(spoofed, SPOOFED, "the source address does not belong to the ingress zone") \
	X(tcp_invalid, TCP_INVALID, "impossible in the TCP state or outside the window") \
	X(session_table_full, SESSION_TABLE_FULL, "no room for a new session: drop_new") \
	X(session_limit, SESSION_LIMIT, "a limit per source or per plugin is reached") \
	X(hold_limit, HOLD_LIMIT, "too many packets held") \
	X(hold_expired, HOLD_EXPIRED, "held too long, declared outcome is drop") \
	X(no_egress, NO_EGRESS, "no interface to leave by") \
	X(too_big, TOO_BIG, "longer than the egress device can send") \
	X(tx_full, TX_FULL, "the egress device had no room") \
	X(tx_error, TX_ERROR, "the egress device refused it") \
	X(no_memory, NO_MEMORY, "an allocation failed or a pool is empty") \
	X(aqm, AQM, "a queue discipline dropped it") \
	X(shutdown, SHUTDOWN, "in hand when the engine stopped") \
	X(fragment_overlap, FRAGMENT_OVERLAP, "a piece overlaps others, the datagram is given up") \
	X(fragment_limit, FRAGMENT_LIMIT, "too many fragments held: memory, source or datagram") \
	X(fragment_timeout, FRAGMENT_TIMEOUT, "its datagram did not become whole in time") \
	X(stream_overlap, STREAM_OVERLAP, "sent again with other bytes") \
	X(handoff_full, HANDOFF_FULL, "no room on the way to its worker") \
	X(ttl, TTL, "too little time to live to reach its receiver (limit ttl_min)") \
	X(icmp_invalid, ICMP_INVALID, "an ICMP error quotes what its session did not send")
// clang-format on

enum stellar_drop_reason {
#define X(name, NAME, sentence) STELLAR_DROPPED_##NAME,
	STELLAR_DROP_REASONS(X)
#undef X
		STELLAR_DROP_REASON_COUNT,
};

// X(name, NAME, sentence): why a session closed.
// clang-format off
#define STELLAR_CLOSING_REASONS(X) \
	X(none, NONE, "still open") \
	X(fin, FIN, "both sides finished") \
	X(rst, RST, "reset") \
	X(timeout, TIMEOUT, "idle too long") \
	X(evicted, EVICTED, "made room for another") \
	X(policy, POLICY, "blocked by policy or by a plugin") \
	X(shutdown, SHUTDOWN, "the engine stopped") \
	X(parent_closed, PARENT_CLOSED, "its parent closed")
// clang-format on

enum stellar_closing_reason {
#define X(name, NAME, sentence) STELLAR_CLOSED_##NAME,
	STELLAR_CLOSING_REASONS(X)
#undef X
		STELLAR_CLOSING_REASON_COUNT,
};

// Counters of packets; frames unless named otherwise. Grows only at its end.
struct packet_stats {
	uint64_t received;
	uint64_t generated;
	uint64_t forwarded;
	uint64_t local;
	uint64_t held; // a level, not a total
	uint64_t received_bytes;
	uint64_t forwarded_bytes;
	uint64_t dropped[STELLAR_DROP_REASON_COUNT];
};

// Counters of sessions.
struct session_stats {
	uint64_t created;
	uint64_t active; // a level: sessions in the table now
	uint64_t closed[STELLAR_CLOSING_REASON_COUNT];
	uint64_t evicted; // equals closed[STELLAR_CLOSED_EVICTED]
	uint64_t untracked; // packets that passed without a session: pass_untracked
	uint64_t capacity;
	uint64_t children; // created as the child of another session
	uint64_t orphaned; // would have been a child, had there been room for the tie
	// announced = met + expired + expectations
	uint64_t expectations; // a level: announced and not yet there
	uint64_t expectations_announced; // renewals are not counted
	uint64_t expectations_met;
	uint64_t expectations_expired; // their time, or the session that announced them, ended
	uint64_t expectations_refused; // a limit, or no memory
	uint64_t resumed; // taken over from an engine that died: active, but not created
	uint64_t torn; // found and not taken over: in change when it died, or damaged
	uint64_t opening; // a level: in OPENING now
	uint64_t source_limited; // packets of sources that have too many in OPENING
	uint64_t flood; // a level: workers in flood mode (half of their table is in OPENING)
	uint64_t floods; // times a worker went into it
};

// Counters of TCP streams that were put in order because some plugin wanted their bytes.
struct stream_stats {
	uint64_t opened; // sessions
	uint64_t active; // a level: records now
	uint64_t delivered_bytes; // in tcp_data
	uint64_t held_bytes; // a level: memory that holds what is out of order
	uint64_t gaps; // times bytes were left out
	uint64_t gap_bytes;
	uint64_t overlaps; // segments that contradict what was known
	uint64_t limited; // times a limit made bytes be left out
	uint64_t kept_lost; // times bytes kept for a plugin were lost to it
	uint64_t no_memory; // sessions that could not have a record
};

// Sum of dropped[] without the guard.
STELLAR_PUBLIC uint64_t packet_stats_dropped(const struct packet_stats *stats);

// received + generated - forwarded - dropped - local - held; 0 when the law holds.
STELLAR_PUBLIC int64_t packet_stats_imbalance(const struct packet_stats *stats);

// Name of a reason as in JSON, or NULL when out of range. Static strings, any thread.
STELLAR_PUBLIC const char *stellar_drop_reason_name(uint32_t reason);
STELLAR_PUBLIC const char *stellar_closing_reason_name(uint32_t reason);
