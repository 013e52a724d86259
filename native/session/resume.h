// SPDX-License-Identifier: Apache-2.0

// Sessions of a predecessor: from the memory it left (struct session_memory, region.h) a new table
// finds them again, with everything that is not kept there made anew: index, timers, free lists,
// family ties.
//
// Nothing found is trusted. A session stays when each of its values is one that the table could
// have stored; it goes when a mark names it (its predecessor died while it changed it), when it was
// closing, or when a value is impossible. So the outcome is a sound table whatever the memory
// holds, and running it twice, or again after dying in it, gives the same.
//
// Thread: the worker's, or the control thread before the worker runs.
#pragma once

#include <stdint.h>

struct region_shape;
struct session_table;

struct session_resume {
	uint16_t interface_count; // interface ids are below, or UINT16_MAX
	uint16_t flags; // SESSION_* that a session may have
};

struct session_resume_count {
	uint64_t resumed;
	uint64_t torn; // found, and not taken over
};

// The arrays of a table of this capacity, for a file: hot and cold lines, then extensions. Adds
// them to *shape, and to its identity what gives their bytes a meaning.
void session_resume_add_shape(uint64_t capacity, struct region_shape *shape);

// Take over what the memory of a new table holds. The time of the table (now_ms) is that of the
// marks; the marks are those of a table without a session in change afterwards. Returns 0; -EBADMSG
// when the marks contradict the memory: nothing is taken over; or -ENOMEM: the table is of no use.
int session_table_resume(struct session_table *table, const struct session_resume *resume,
			 struct session_resume_count *ret_count);
