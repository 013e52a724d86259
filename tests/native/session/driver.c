// SPDX-License-Identifier: Apache-2.0

// The session folder behind plain numbers and bytes, for the property tests of
// tests/native/session/test_properties.py: a shared object that they load with ctypes. Keys and
// entries are numbers; time is in ms.

#include "support.h"

#include <stdlib.h>

#include <stellar/version.h>

#include "session/stream.h"
#include "session/timer_wheel.h"

#define FIRED_MAX 4096u

// What fired, in order.
struct firing {
	uint32_t id;
	uint32_t reserved;
	uint64_t due_ms;
};

STELLAR_PUBLIC void *driver_table_create(uint64_t capacity, uint64_t hash_mask);
STELLAR_PUBLIC void driver_table_destroy(void *opaque);
STELLAR_PUBLIC int driver_table_insert(void *opaque, uint32_t number, int reversed,
				       uint32_t *ret_index);
STELLAR_PUBLIC uint32_t driver_table_lookup(void *opaque, uint32_t number, int reversed,
					    uint32_t *ret_direction, uint64_t *ret_id);
STELLAR_PUBLIC void driver_table_remove(void *opaque, uint32_t index);
STELLAR_PUBLIC int driver_table_add_alias(void *opaque, uint32_t index, uint32_t number);
STELLAR_PUBLIC uint32_t driver_table_next(void *opaque, uint32_t index);
STELLAR_PUBLIC uint32_t driver_table_count(void *opaque);
STELLAR_PUBLIC void driver_table_touch(void *opaque, uint32_t index, uint64_t now_ms);
STELLAR_PUBLIC uint32_t driver_table_advance(void *opaque, uint64_t now_ms,
					     struct firing *ret_fired);

STELLAR_PUBLIC void *driver_wheel_create(uint32_t entries, uint64_t now_ms,
					 uint64_t queue_delay_ms);
STELLAR_PUBLIC void driver_wheel_destroy(void *opaque);
STELLAR_PUBLIC void driver_wheel_insert(void *opaque, uint32_t id, uint64_t deadline_ms);
STELLAR_PUBLIC void driver_wheel_postpone(void *opaque, uint32_t id, uint64_t deadline_ms);
STELLAR_PUBLIC void driver_wheel_remove(void *opaque, uint32_t id);
STELLAR_PUBLIC uint32_t driver_wheel_advance(void *opaque, uint64_t now_ms,
					     struct firing *ret_fired);

STELLAR_PUBLIC void *driver_stream_create(uint32_t sequence, uint8_t profile, uint64_t memory_bytes,
					  uint64_t held_bytes_max);
STELLAR_PUBLIC void driver_stream_destroy(void *opaque);
STELLAR_PUBLIC int driver_stream_insert(void *opaque, uint32_t sequence, const uint8_t *data,
					uint32_t length, uint8_t *ret_bytes, uint32_t *ret_length);
STELLAR_PUBLIC uint64_t driver_stream_skip_to(void *opaque, uint64_t offset, uint8_t *ret_bytes,
					      uint32_t *ret_length);
STELLAR_PUBLIC uint32_t driver_stream_held_bytes(void *opaque);

struct table_driver {
	struct session_table *table;
	struct firing *fired;
	uint32_t fired_count;
};

static void log_expired(void *owner, uint32_t index, uint64_t due_ms)
{
	struct table_driver *driver = owner;

	driver->fired[driver->fired_count++] = (struct firing){.id = index, .due_ms = due_ms};
	session_table_remove(driver->table, index);
}

static struct session_key key_of_side(uint32_t number, int reversed)
{
	struct session_key key = key_of(number);

	key.source_is_high ^= (uint8_t)(reversed != 0);
	return key;
}

void *driver_table_create(uint64_t capacity, uint64_t hash_mask)
{
	struct table_driver *driver = calloc(1, sizeof(*driver));
	struct session_table_config config = table_config(capacity);

	config.hash_mask = hash_mask;
	config.now_ms = 0;
	config.expired = log_expired;
	config.owner = driver;
	if (session_table_create(&config, &driver->table) != 0) {
		free(driver);
		return NULL;
	}
	return driver;
}

void driver_table_destroy(void *opaque)
{
	struct table_driver *driver = opaque;

	session_table_destroy(driver->table);
	free(driver);
}

int driver_table_insert(void *opaque, uint32_t number, int reversed, uint32_t *ret_index)
{
	struct table_driver *driver = opaque;
	struct session_key key = key_of_side(number, reversed);
	int result =
		session_table_insert(driver->table, &key, session_table_hash(driver->table, &key),
				     driver->table->wheel.now_ms * 1000000, ret_index);

	if (result == 0)
		session_table_end_change(driver->table);
	return result;
}

uint32_t driver_table_lookup(void *opaque, uint32_t number, int reversed, uint32_t *ret_direction,
			     uint64_t *ret_id)
{
	struct table_driver *driver = opaque;
	struct session_key key = key_of_side(number, reversed);
	uint64_t hash;
	uint32_t hint;

	session_table_find_burst(driver->table, &key, 1, &hash, &hint);
	uint32_t index = session_table_lookup(driver->table, &key, hash, hint);

	if (index != SESSION_NONE) {
		*ret_direction = session_table_get_direction(driver->table, index, &key);
		*ret_id = session_table_get_id(driver->table, index);
	}
	return index;
}

void driver_table_remove(void *opaque, uint32_t index)
{
	session_table_remove(((struct table_driver *)opaque)->table, index);
}

int driver_table_add_alias(void *opaque, uint32_t index, uint32_t number)
{
	struct session_key key = key_of(number);

	return session_table_add_alias(((struct table_driver *)opaque)->table, index, &key);
}

uint32_t driver_table_next(void *opaque, uint32_t index)
{
	return session_table_next(((struct table_driver *)opaque)->table, index);
}

uint32_t driver_table_count(void *opaque)
{
	return ((struct table_driver *)opaque)->table->count;
}

void driver_table_touch(void *opaque, uint32_t index, uint64_t now_ms)
{
	session_hot_touch(&((struct table_driver *)opaque)->table->hot[index], now_ms);
}

uint32_t driver_table_advance(void *opaque, uint64_t now_ms, struct firing *ret_fired)
{
	struct table_driver *driver = opaque;

	driver->fired = ret_fired;
	driver->fired_count = 0;
	session_table_advance(driver->table, now_ms);
	return driver->fired_count;
}

struct wheel_driver {
	struct timer_wheel wheel;
	struct firing *fired;
	uint32_t fired_count;
	struct timer_link *links;
	uint64_t *deadlines;
};

static struct timer_link *get_link(void *owner, uint32_t id)
{
	return &((struct wheel_driver *)owner)->links[id];
}

static uint64_t get_deadline(void *owner, uint32_t id, uint64_t now_ms)
{
	return ((struct wheel_driver *)owner)->deadlines[id];
}

static void log_fired(void *owner, uint32_t id, uint64_t due_ms)
{
	struct wheel_driver *driver = owner;

	driver->fired[driver->fired_count++] = (struct firing){.id = id, .due_ms = due_ms};
}

void *driver_wheel_create(uint32_t entries, uint64_t now_ms, uint64_t queue_delay_ms)
{
	static const struct timer_wheel_ops ops = {
		.link = get_link, .deadline = get_deadline, .fire = log_fired};
	struct wheel_driver *driver = calloc(1, sizeof(*driver));

	driver->links = calloc(entries + 1u, sizeof(*driver->links));
	driver->deadlines = calloc(entries + 1u, sizeof(*driver->deadlines));
	timer_wheel_init(&driver->wheel, &ops, driver, now_ms, queue_delay_ms);
	return driver;
}

void driver_wheel_destroy(void *opaque)
{
	struct wheel_driver *driver = opaque;

	free(driver->links);
	free(driver->deadlines);
	free(driver);
}

void driver_wheel_insert(void *opaque, uint32_t id, uint64_t deadline_ms)
{
	struct wheel_driver *driver = opaque;

	driver->deadlines[id] = deadline_ms;
	timer_wheel_insert(&driver->wheel, id);
}

// A later deadline needs no call of the wheel.
void driver_wheel_postpone(void *opaque, uint32_t id, uint64_t deadline_ms)
{
	((struct wheel_driver *)opaque)->deadlines[id] = deadline_ms;
}

void driver_wheel_remove(void *opaque, uint32_t id)
{
	timer_wheel_remove(&((struct wheel_driver *)opaque)->wheel, id);
}

uint32_t driver_wheel_advance(void *opaque, uint64_t now_ms, struct firing *ret_fired)
{
	struct wheel_driver *driver = opaque;

	driver->fired = ret_fired;
	driver->fired_count = 0;
	timer_wheel_advance(&driver->wheel, now_ms);
	return driver->fired_count;
}

struct stream_driver {
	struct stream_memory memory;
	struct stream_direction direction;
};

void *driver_stream_create(uint32_t sequence, uint8_t profile, uint64_t memory_bytes,
			   uint64_t held_bytes_max)
{
	struct stream_driver *driver = calloc(1, sizeof(*driver));

	if (stream_memory_init(&driver->memory, memory_bytes, held_bytes_max, held_bytes_max, 1) !=
	    0) {
		free(driver);
		return NULL;
	}
	driver->direction.end = STREAM_NO_END;
	driver->direction.profile = profile;
	stream_direction_open(&driver->direction, sequence);
	return driver;
}

void driver_stream_destroy(void *opaque)
{
	struct stream_driver *driver = opaque;

	stream_direction_clear(&driver->memory, &driver->direction);
	stream_memory_fini(&driver->memory);
	free(driver);
}

static void take_chunk(struct stream_driver *driver, const struct stream_chunk *chunk,
		       uint8_t *ret_bytes, uint32_t *ret_length)
{
	memcpy(ret_bytes + *ret_length, chunk->data, chunk->length);
	*ret_length += chunk->length;
	if (chunk->piece != 0)
		stream_put_piece(&driver->memory, chunk->piece);
}

static void drain(struct stream_driver *driver, uint8_t *ret_bytes, uint32_t *ret_length)
{
	struct stream_chunk chunk;

	while (stream_next(&driver->memory, &driver->direction, &chunk))
		take_chunk(driver, &chunk, ret_bytes, ret_length);
}

int driver_stream_insert(void *opaque, uint32_t sequence, const uint8_t *data, uint32_t length,
			 uint8_t *ret_bytes, uint32_t *ret_length)
{
	struct stream_driver *driver = opaque;
	const struct stream_segment segment = {sequence, length, data, false};
	struct stream_chunk chunk;
	int result = stream_insert(&driver->memory, &driver->direction, &segment, &chunk);

	*ret_length = 0;
	if (result != 0)
		return result;
	if (chunk.length > 0)
		take_chunk(driver, &chunk, ret_bytes, ret_length);
	drain(driver, ret_bytes, ret_length);
	return 0;
}

uint64_t driver_stream_skip_to(void *opaque, uint64_t offset, uint8_t *ret_bytes,
			       uint32_t *ret_length)
{
	struct stream_driver *driver = opaque;
	uint64_t skipped = stream_skip_to(&driver->memory, &driver->direction, offset);

	*ret_length = 0;
	drain(driver, ret_bytes, ret_length);
	return skipped;
}

uint32_t driver_stream_held_bytes(void *opaque)
{
	return ((struct stream_driver *)opaque)->direction.held_bytes;
}
