// SPDX-License-Identifier: Apache-2.0

#include "session/stream_reader.h"

#include <errno.h>
#include <string.h>

static struct stream_reader *get_readers(const struct stream_memory *memory,
					 const struct stream_shelf *shelf)
{
	return shelf->readers != 0 ? stream_pool_at(&memory->pool, shelf->readers) : NULL;
}

struct stream_reader *stream_reader_get(const struct stream_memory *memory,
					const struct stream_shelf *shelf, uint16_t plugin_id)
{
	struct stream_reader *readers = get_readers(memory, shelf);
	for (uint8_t i = 0; i < shelf->reader_count; i++) {
		if (readers[i].plugin_id == plugin_id)
			return &readers[i];
	}
	return NULL;
}

// Room for one reader more. Returns 0 or -ENOMEM.
static int grow_readers(struct stream_memory *memory, struct stream_shelf *shelf)
{
	size_t used = shelf->reader_count * sizeof(struct stream_reader);
	size_t size = shelf->readers != 0 ? stream_pool_get_size(&memory->pool, shelf->readers) : 0;
	if (used + sizeof(struct stream_reader) <= size)
		return 0;
	uint32_t id = stream_pool_get(&memory->pool, used + sizeof(struct stream_reader));
	if (id == 0)
		return -ENOMEM;
	if (used > 0) {
		memcpy(stream_pool_at(&memory->pool, id), get_readers(memory, shelf), used);
		stream_pool_put(&memory->pool, shelf->readers);
	}
	shelf->readers = id;
	return 0;
}

struct stream_reader *stream_reader_need(struct stream_memory *memory, struct stream_shelf *shelf,
					 uint16_t plugin_id, uint64_t place)
{
	struct stream_reader *reader = stream_reader_get(memory, shelf, plugin_id);
	if (reader != NULL)
		return reader;
	if (grow_readers(memory, shelf) != 0)
		return NULL;
	reader = &get_readers(memory, shelf)[shelf->reader_count++];
	*reader = (struct stream_reader){
		.place = place,
		.limit = STREAM_NO_END,
		.plugin_id = plugin_id,
	};
	return reader;
}

static uint64_t get_end(const struct stream_shelf *shelf)
{
	return shelf->start + shelf->length;
}

// The first place of those that keep bytes; STREAM_NO_END when nobody does.
static uint64_t get_first_place(const struct stream_memory *memory,
				const struct stream_shelf *shelf)
{
	const struct stream_reader *readers = get_readers(memory, shelf);
	uint64_t first = STREAM_NO_END;
	for (uint8_t i = 0; i < shelf->reader_count; i++) {
		if (readers[i].is_reading && readers[i].place < first)
			first = readers[i].place;
	}
	return first;
}

// Readers before an offset lose what lies between.
static void lose_before(struct stream_memory *memory, struct stream_shelf *shelf, uint64_t behind,
			uint64_t place)
{
	struct stream_reader *readers = get_readers(memory, shelf);
	for (uint8_t i = 0; i < shelf->reader_count; i++) {
		if (readers[i].place >= behind)
			continue;
		readers[i].place = place;
		readers[i].has_lost = true;
	}
}

static void put_block(struct stream_memory *memory, struct stream_shelf *shelf)
{
	if (shelf->block != 0)
		stream_pool_put(&memory->pool, shelf->block);
	shelf->block = 0;
	shelf->skipped = 0;
	shelf->length = 0;
}

static void trim(struct stream_memory *memory, struct stream_shelf *shelf)
{
	uint64_t first = get_first_place(memory, shelf);
	if (first >= get_end(shelf)) {
		put_block(memory, shelf);
	} else if (first > shelf->start) {
		shelf->skipped += (uint32_t)(first - shelf->start);
		shelf->length -= (uint32_t)(first - shelf->start);
		shelf->start = first;
	}
}

// Room for so many bytes more behind those that are kept. Moving costs at most as much as was
// appended since the last time. Returns 0 or -ENOMEM.
static int make_room(struct stream_memory *memory, struct stream_shelf *shelf, uint32_t more)
{
	size_t size = shelf->block != 0 ? stream_pool_get_size(&memory->pool, shelf->block) : 0;
	size_t needed = (size_t)shelf->length + more;
	if (shelf->skipped + needed <= size)
		return 0;
	uint8_t *bytes = size > 0 ? stream_pool_at(&memory->pool, shelf->block) : NULL;
	if (2 * needed <= size) {
		memmove(bytes, bytes + shelf->skipped, shelf->length);
		shelf->skipped = 0;
		return 0;
	}
	uint32_t id = stream_pool_get(&memory->pool, needed + needed / 2);
	if (id == 0)
		id = stream_pool_get(&memory->pool, needed);
	if (id == 0)
		return -ENOMEM;
	if (shelf->length > 0)
		memcpy(stream_pool_at(&memory->pool, id), bytes + shelf->skipped, shelf->length);
	if (shelf->block != 0)
		stream_pool_put(&memory->pool, shelf->block);
	shelf->block = id;
	shelf->skipped = 0;
	return 0;
}

int stream_shelf_keep(struct stream_memory *memory, struct stream_shelf *shelf,
		      const struct stream_chunk *chunk)
{
	uint64_t end = chunk->offset + chunk->length;
	uint64_t limit = memory->kept_bytes_max;
	uint64_t first = get_first_place(memory, shelf);
	if (first >= end) {
		put_block(memory, shelf);
		return 0;
	}
	if (end - first > limit) {
		memory->kept_lost++;
		lose_before(memory, shelf, end - (limit < end ? limit : end),
			    chunk->length <= limit ? chunk->offset : end);
	}
	trim(memory, shelf);
	first = get_first_place(memory, shelf);
	if (first >= end)
		return 0;
	if (shelf->length == 0)
		shelf->start = first > chunk->offset ? first : chunk->offset;
	uint32_t old = (uint32_t)(get_end(shelf) - chunk->offset);
	uint32_t length = chunk->length - old;
	if (make_room(memory, shelf, length) != 0) {
		memory->kept_lost++;
		lose_before(memory, shelf, end, end);
		put_block(memory, shelf);
		return -ENOMEM;
	}
	uint8_t *bytes = stream_pool_at(&memory->pool, shelf->block);
	memcpy(bytes + shelf->skipped + shelf->length, chunk->data + old, length);
	shelf->length += length;
	return 0;
}

const uint8_t *stream_shelf_find(const struct stream_memory *memory,
				 const struct stream_shelf *shelf, uint64_t place,
				 uint64_t *ret_length)
{
	*ret_length = 0;
	if (shelf->length == 0 || place >= get_end(shelf))
		return NULL;
	*ret_length = get_end(shelf) - place;
	return (const uint8_t *)stream_pool_at(&memory->pool, shelf->block) + shelf->skipped +
	       (place - shelf->start);
}

void stream_shelf_skip_to(struct stream_memory *memory, struct stream_shelf *shelf, uint64_t offset)
{
	lose_before(memory, shelf, offset, offset);
	put_block(memory, shelf);
}

void stream_shelf_end_limits(struct stream_memory *memory, struct stream_shelf *shelf,
			     uint64_t offset)
{
	const struct stream_reader *readers = get_readers(memory, shelf);
	for (uint8_t i = 0; i < shelf->reader_count; i++) {
		if (readers[i].limit <= offset)
			shelf->done |= UINT64_C(1) << readers[i].plugin_id;
	}
}

void stream_shelf_settle(struct stream_memory *memory, struct stream_shelf *shelf, uint64_t wanting)
{
	struct stream_reader *readers = get_readers(memory, shelf);
	for (uint8_t i = 0; i < shelf->reader_count; i++) {
		if ((wanting & UINT64_C(1) << readers[i].plugin_id) != 0 || !readers[i].is_reading)
			continue;
		readers[i].is_reading = false;
		readers[i].has_lost = true;
	}
	trim(memory, shelf);
}

void stream_shelf_clear(struct stream_memory *memory, struct stream_shelf *shelf)
{
	put_block(memory, shelf);
	if (shelf->readers != 0)
		stream_pool_put(&memory->pool, shelf->readers);
	shelf->readers = 0;
	shelf->reader_count = 0;
}
