// SPDX-License-Identifier: Apache-2.0

// Keeps sessions that were only begun from taking the table: those in OPENING, half-open TCP
// handshakes and datagrams without an answer.
//
// Per source. An address may have limit source_opening of them; what it begins beyond is dropped
// (session_limit) on a wire and passes untracked on a tap. Counting does not remember addresses,
// which a sender could make up without end: each address has two counters, chosen by a keyed hash,
// and the smaller one is its count (a count-min sketch, Cormode and Muthukrishnan 2005). It is
// never below the truth; it is above when both counters are shared, which nobody can aim at.
//
// Flood mode. When half of the table is in OPENING it begins, when a quarter is it ends. While it
// lasts a session in OPENING has FLOOD_OPENING_MS, enough for a handshake whose SYN was lost once
// (RFC 6298 2.1: 1 s); each packet closes two that are over that time, so that the table recovers
// faster than it is filled. When it is full the oldest one goes, whatever its time; its handshake
// is remembered (remembered_syn.h).
//
// Owner: the worker; its thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <stellar/packet.h>

#include "engine/remembered_syn.h"
#include "session/key.h"

struct worker;

#define FLOOD_OPENING_MS 3000u

struct opening_guard {
	struct session_secret secret;
	uint32_t *counts; // mask + 1, twice: one row for each half of the hash
	uint32_t mask;
	uint64_t source_max;
	uint64_t flood_begins; // sessions in OPENING
	uint64_t flood_ends;
	struct remembered_syns syns;
};

// Sizes it for the worker's table. Returns 0 or -ENOMEM.
int opening_guard_init(struct worker *worker);
void opening_guard_fini(struct opening_guard *guard);

// Whether the source may begin one more. Asked before the session is made.
bool opening_guard_admits(const struct opening_guard *guard, const struct ip_address *source);

// A session came into OPENING or left it, by becoming ACTIVE or by closing.
void opening_guard_enter(struct worker *worker, uint32_t index);
void opening_guard_leave(struct worker *worker, uint32_t index);

// Flood mode: close what is over its time. Between packets.
void opening_guard_sweep(struct worker *worker);
