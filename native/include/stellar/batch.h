// SPDX-License-Identifier: Apache-2.0

// Events handed to a plugin's host many at a time: for hosts of other languages, whose calls cost
// more than what is done in them. Plugins do not see this; the order law holds all the same: the
// engine puts together only what nobody can tell from one after the other.
//
// The host owns the memory and gives its address in struct plugin_entries. The engine fills it and
// calls `deliver`, which goes through the entries from `position` on: for each it stores its
// position and its session's index (`*changing`), then calls the handler. All API functions act for
// the entry at `position`. It returns after the last, with position == count; or after one that
// failed, with STELLAR_BATCH_FAILED in its `asked`, and is called again for those behind it. A
// batch of one entry goes to `deliver_one`, where there is one: it has position and session set,
// and only calls the handler.
#pragma once

#include <stdint.h>

#include <stellar/event.h>

#define STELLAR_BATCH_MAX 64

// What was asked for in an entry's callback.
#define STELLAR_BATCH_DETACH 0x1u
#define STELLAR_BATCH_FAILED 0x2u

struct plugin_batch_entry {
	struct session *session;
	const struct event *event;
	void *context; // NULL: the plugin has none
	uint32_t index; // of the session
	uint32_t asked; // STELLAR_BATCH_*
};

struct plugin_batch {
	uint32_t count;
	uint32_t position;
	uint32_t type; // enum stellar_event, of all
	uint32_t reserved;
	uint32_t *changing; // names the session in change, for the engine's successor
	struct plugin_batch_entry entries[STELLAR_BATCH_MAX];
};
