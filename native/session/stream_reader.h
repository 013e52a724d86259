// SPDX-License-Identifier: Apache-2.0

// Who reads a direction at a pace of its own, and the bytes kept for them. A reader has a place,
// and perhaps a limit behind which it wants nothing more. Bytes that were delivered are copied, in
// one piece, from the first place on: only for readers, and only what these have not skipped by the
// end of the delivery. What does not fit into kept_bytes_max is lost to the readers that are
// furthest behind: their places move over it, and they are told once (has_lost).
//
// Offsets here are those of what is delivered, without urgent bytes. Owner: the record's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/stream.h"

struct stream_reader {
	uint64_t place;
	uint64_t limit; // STREAM_NO_END: none
	uint16_t plugin_id;
	bool is_reading; // keeps bytes; otherwise its place follows what is delivered
	bool has_lost; // bytes, since it was told last
};

// A plugin's reader, or NULL when there is none (get) or no memory for one (need). Made at `place`.
struct stream_reader *stream_reader_get(const struct stream_memory *memory,
					const struct stream_shelf *shelf, uint16_t plugin_id);
struct stream_reader *stream_reader_need(struct stream_memory *memory, struct stream_shelf *shelf,
					 uint16_t plugin_id, uint64_t place);

// Keep what readers have not skipped of bytes that follow the kept ones. Returns 0, or -ENOMEM:
// they are lost to all readers.
int stream_shelf_keep(struct stream_memory *memory, struct stream_shelf *shelf,
		      const struct stream_chunk *chunk);

// What is kept from a place on.
const uint8_t *stream_shelf_find(const struct stream_memory *memory,
				 const struct stream_shelf *shelf, uint64_t place,
				 uint64_t *ret_length);

// Bytes up to an offset were left out: all readers lose what they had before it.
void stream_shelf_skip_to(struct stream_memory *memory, struct stream_shelf *shelf,
			  uint64_t offset);

// Who has its limit at or before an offset wants nothing more.
void stream_shelf_end_limits(struct stream_memory *memory, struct stream_shelf *shelf,
			     uint64_t offset);

// Let go of what no reader waits for. Readers that are not among `wanting` (bits of plugin ids)
// lose what is kept for them.
void stream_shelf_settle(struct stream_memory *memory, struct stream_shelf *shelf,
			 uint64_t wanting);

// Let go of everything.
void stream_shelf_clear(struct stream_memory *memory, struct stream_shelf *shelf);
