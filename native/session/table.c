// SPDX-License-Identifier: Apache-2.0

// Life of a session in the table: made, found, forgotten, aged. What only reads one is in
// table_view.c.

#include "session/table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/decode.h"
#include "session/memory.h"
#include "session/metadata.h"
#include "session/region.h"

#define NS_PER_MS UINT64_C(1000000)
#define WORKER_ID_SHIFT 48
#define HASHES_AT_ONCE 8u // packets
#define HINTS_AHEAD 16u // packets between a hint and the lookup that uses it
#define BUCKETS_AHEAD 32u // and between asking for the bucket and that lookup

static uint64_t hash_of(const struct session_table *table, uint32_t index)
{
	struct session_key key;
	if (table->hot[index].version != 4)
		return table->hot[index].address;
	session_table_get_key(table, index, &key);
	return session_table_hash(table, &key);
}

static struct timer_link *timer_link_of(void *owner, uint32_t index)
{
	struct session_table *table = owner;
	return &table->cold[index].timer;
}

// last_seen_ms has only the low bits; the rest is that of the time nearest to now.
static uint64_t get_deadline(void *owner, uint32_t index, uint64_t now_ms)
{
	struct session_table *table = owner;
	int32_t since = (int32_t)(table->hot[index].last_seen_ms - (uint32_t)now_ms);
	return now_ms + (uint64_t)(int64_t)since + session_table_get_timeout_ms(table, index);
}

static uint64_t get_queued_ms(void *owner, uint32_t index)
{
	struct session_table *table = owner;
	return table->cold[index].start_ns / NS_PER_MS;
}

static void fire(void *owner, uint32_t index, uint64_t due_ms)
{
	struct session_table *table = owner;
	table->expired(table->owner, index, due_ms);
}

// Whoever is visited by a timer was idle for long: all its lines are far away, and closing it needs
// them one after the other.
static void fetch_upcoming(void *owner, uint32_t index, bool near)
{
	struct session_table *table = owner;
	if (!near) {
		__builtin_prefetch(&table->hot[index], 1);
		__builtin_prefetch(&table->cold[index], 1);
		__builtin_prefetch((const uint8_t *)(&table->cold[index] + 1) - 1, 1);
		return;
	}
	unsigned place = table->upcoming_next++ % SESSION_UPCOMING;
	table->upcoming[place].index = index;
	table->upcoming[place].hash = hash_of(table, index);
	session_index_prefetch(&table->index, &table->upcoming[place].hash, 1);
}

static uint64_t hash_of_entry(void *owner, uint32_t entry)
{
	const struct session_table *table = owner;
	uint32_t index = entry & ~SESSION_ENTRY_ALIAS;
	if ((entry & SESSION_ENTRY_ALIAS) == 0)
		return hash_of(table, index);
	return session_table_hash(table, &session_table_get_extension(table, index)->alias);
}

static void fetch_moving(void *owner, uint32_t entry)
{
	const struct session_table *table = owner;
	session_table_prefetch(table, entry & ~SESSION_ENTRY_ALIAS);
}

static const struct session_index_ops index_ops = {
	.hash = hash_of_entry,
	.upcoming = fetch_moving,
};

static const struct timer_wheel_ops timer_ops = {
	.link = timer_link_of,
	.deadline = get_deadline,
	.queued_ms = get_queued_ms,
	.fire = fire,
	.upcoming = fetch_upcoming,
};

// Whether a line may be touched.
static bool reach_line(struct session_table *table, uint32_t index)
{
	const struct session_memory *memory = &table->memory;
	return memory->hot == NULL || (region_array_reach(memory->hot, (uint64_t)index + 1) &&
				       region_array_reach(memory->cold, (uint64_t)index + 1));
}

static uint32_t to_timeout_ms(uint32_t seconds)
{
	uint64_t timeout_ms = (uint64_t)seconds * 1000;
	if (timeout_ms > SESSION_TIMEOUT_MAX_MS)
		return SESSION_TIMEOUT_MAX_MS;
	return timeout_ms > 0 ? (uint32_t)timeout_ms : 1;
}

// Returns the shortest time a session may stay in OPENING.
static uint32_t set_timeouts(struct session_table *table, const struct session_timeouts *timeouts)
{
	uint32_t opening = to_timeout_ms(timeouts->tcp_opening_sec);
	uint32_t closing = to_timeout_ms(timeouts->tcp_closing_sec);
	uint32_t closed = to_timeout_ms(timeouts->tcp_closed_sec);
	const uint32_t by_tcp_state[STELLAR_TCP_STATE_COUNT] = {
		[STELLAR_TCP_NONE] = opening,
		[STELLAR_TCP_SYN_SENT] = opening,
		[STELLAR_TCP_SIMULTANEOUS_OPEN] = opening,
		[STELLAR_TCP_SYN_RECEIVED] = opening,
		[STELLAR_TCP_ESTABLISHED] = to_timeout_ms(timeouts->tcp_established_sec),
		[STELLAR_TCP_FIN_WAIT] = closing,
		[STELLAR_TCP_CLOSE_WAIT] = closing,
		[STELLAR_TCP_CLOSING] = closing,
		[STELLAR_TCP_LAST_ACK] = closing,
		[STELLAR_TCP_TIME_WAIT] = closed,
		[STELLAR_TCP_CLOSED] = closed,
	};
	memcpy(table->timeout_ms, by_tcp_state, sizeof(table->timeout_ms));
	for (unsigned state = 0; state < STELLAR_SESSION_STATE_COUNT; state++)
		table->udp_timeout_ms[state] = to_timeout_ms(timeouts->udp_active_sec);
	table->udp_timeout_ms[STELLAR_SESSION_OPENING] = to_timeout_ms(timeouts->udp_opening_sec);
	table->icmp_timeout_ms = to_timeout_ms(timeouts->icmp_sec);
	table->other_timeout_ms = to_timeout_ms(timeouts->other_sec);

	const uint32_t others[] = {table->udp_timeout_ms[STELLAR_SESSION_OPENING],
				   table->icmp_timeout_ms, table->other_timeout_ms};
	uint32_t shortest = opening;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		shortest = others[i] < shortest ? others[i] : shortest;
	return shortest;
}

// Index 0 is a line of its own that stays free.
static int reserve_lines(struct session_table *table, size_t lines)
{
	struct session_memory *memory = &table->memory;
	if (memory->hot != NULL) {
		table->hot = (struct session_hot *)memory->hot->records;
		table->cold = (struct session_cold *)memory->cold->records;
		return reach_line(table, 0) ? 0 : -ENOMEM;
	}
	table->hot = memory_reserve(lines * sizeof(*table->hot), &table->hot_bytes);
	table->cold = memory_reserve(lines * sizeof(*table->cold), &table->cold_bytes);
	return table->hot != NULL && table->cold != NULL ? 0 : -ENOMEM;
}

int session_table_create(const struct session_table_config *config,
			 struct session_table **ret_table)
{
	if (config->capacity == 0 || config->capacity > SESSION_CAPACITY_MAX ||
	    config->alias_capacity > SESSION_CAPACITY_MAX || config->expired == NULL)
		return -EINVAL;
	struct session_table *table = calloc(1, sizeof(*table));
	if (table == NULL)
		return -ENOMEM;
	table->capacity = (uint32_t)config->capacity;
	table->alias_capacity = (uint32_t)config->alias_capacity;
	table->secret = config->secret;
	table->hash_mask = config->hash_mask != 0 ? config->hash_mask : UINT64_MAX;
	table->id_base = (uint64_t)config->worker_id << WORKER_ID_SHIFT;
	table->expired = config->expired;
	table->owner = config->owner;
	table->memory = config->memory;
	if (table->memory.marks == NULL)
		table->memory.marks = &table->own_marks;
	slab_init(&table->extensions, sizeof(struct session_extension));
	table->extensions.area = table->memory.extensions;
	timer_wheel_init(&table->wheel, &timer_ops, table, config->now_ms,
			 set_timeouts(table, &config->timeouts));
	if (reserve_lines(table, (size_t)config->capacity + 1) != 0 ||
	    session_index_init_growing(&table->index, config->capacity + config->alias_capacity,
				       &index_ops, table) != 0) {
		session_table_destroy(table);
		return -ENOMEM;
	}
	*ret_table = table;
	return 0;
}

void session_table_destroy(struct session_table *table)
{
	if (table == NULL)
		return;
	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		struct session_extension *extension = session_table_get_extension(table, index);
		if (extension != NULL)
			metadata_clear(&extension->metadata);
	}
	slab_fini(&table->extensions);
	session_index_fini(&table->index);
	if (table->memory.hot == NULL) {
		memory_release(table->hot, table->hot_bytes);
		memory_release(table->cold, table->cold_bytes);
	}
	free(table);
}

bool session_table_prepare(struct session_table *table)
{
	size_t lines = (size_t)table->used_count + 1;
	return memory_prepare(table->hot, table->hot_bytes, lines * sizeof(*table->hot),
			      &table->hot_ready) ||
	       memory_prepare(table->cold, table->cold_bytes, lines * sizeof(*table->cold),
			      &table->cold_ready);
}

uint64_t session_table_hash(const struct session_table *table, const struct session_key *key)
{
	return session_key_hash(&table->secret, key) & table->hash_mask;
}

// Hints of packets first to end - 1, and their lines on the way.
static inline void find_hints(const struct session_table *table, const uint64_t *hashes,
			      size_t first, size_t end, uint32_t *ret_hints)
{
	if (first >= end)
		return;
	session_index_find(&table->index, hashes + first, end - first, ret_hints + first);
	for (size_t i = first; i < end; i++) {
		ret_hints[i] &= ~SESSION_ENTRY_ALIAS;
		session_table_prefetch(table, ret_hints[i]);
	}
}

// The few that stand in their second bucket.
static inline void find_second(const struct session_table *table, const uint64_t *hashes,
			       size_t first, size_t end, uint32_t *ret_hints)
{
	for (size_t i = first; i < end; i++) {
		if (__builtin_expect(ret_hints[i] == SESSION_NONE, false)) {
			ret_hints[i] = session_index_find_second(&table->index, hashes[i]) &
				       ~SESSION_ENTRY_ALIAS;
			session_table_prefetch(table, ret_hints[i]);
		}
	}
}

static inline size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline void hash_keys(const struct session_table *table, const struct session_key *keys,
			     size_t count, uint64_t *ret_hashes)
{
	session_key_hash_burst(&table->secret, keys, count, ret_hashes);
	for (size_t i = 0; table->hash_mask != UINT64_MAX && i < count; i++)
		ret_hashes[i] &= table->hash_mask;
}

void session_table_find_burst(const struct session_table *table, const struct session_key *keys,
			      size_t count, uint64_t *ret_hashes, uint32_t *ret_hints)
{
	memset(ret_hints, 0, count * sizeof(*ret_hints));
	for (size_t first = 0; first < count; first += HASHES_AT_ONCE) {
		size_t end = smaller(first + HASHES_AT_ONCE, count);
		hash_keys(table, keys + first, end - first, ret_hashes + first);
		if (first < BUCKETS_AHEAD)
			session_index_prefetch(&table->index, ret_hashes + first, end - first);
	}
	find_hints(table, ret_hashes, 0, smaller(HINTS_AHEAD, count), ret_hints);
}

void session_table_find_packets(const struct session_table *table, const struct packet *packets,
				size_t count, struct session_key *ret_keys, bool *ret_has_key,
				uint64_t *ret_hashes, uint32_t *ret_hints)
{
	size_t hinted = 0;
	memset(ret_hints, 0, count * sizeof(*ret_hints));
	for (size_t first = 0; first < count; first += HASHES_AT_ONCE) {
		size_t end = smaller(first + HASHES_AT_ONCE, count);
		// While the last keys are made, the first lines are on their way.
		if (end == count)
			hinted = smaller(HINTS_AHEAD, first);
		find_hints(table, ret_hashes, 0, hinted, ret_hints);
		session_key_from_packets(packets + first, end - first, ret_keys + first,
					 ret_has_key + first);
		hash_keys(table, ret_keys + first, end - first, ret_hashes + first);
		if (first < BUCKETS_AHEAD)
			session_index_prefetch(&table->index, ret_hashes + first, end - first);
	}
	find_hints(table, ret_hashes, hinted, smaller(HINTS_AHEAD, count), ret_hints);
}

void session_table_look_further(const struct session_table *table, const uint64_t *hashes,
				size_t count, size_t position, uint32_t *hints)
{
	size_t fetched = position + BUCKETS_AHEAD;
	if (fetched < count)
		session_index_prefetch(&table->index, hashes + fetched,
				       smaller(SESSION_GROUP, count - fetched));
	find_second(table, hashes, position == 0 ? 0 : position + HINTS_AHEAD - SESSION_GROUP,
		    smaller(position + HINTS_AHEAD, count), hints);
	find_hints(table, hashes, position + HINTS_AHEAD,
		   smaller(position + HINTS_AHEAD + SESSION_GROUP, count), hints);
}

// Whether a line holds a key as its first one.
static bool is_primary_match(const struct session_table *table, uint32_t index,
			     const struct session_key *key, uint64_t hash)
{
	const struct session_hot *hot = &table->hot[index];
	uint64_t address = key->version == 4 ? key->address[0] : hash;
	if (hot->ports_tag != key->ports_tag || hot->realm != key->realm || hot->address != address)
		return false;
	return key->version == 4 || memcmp(session_table_get_extension(table, index)->address,
					   key->address, sizeof(key->address)) == 0;
}

static bool is_match(const struct session_table *table, uint32_t index,
		     const struct session_key *key, uint64_t hash)
{
	if (is_primary_match(table, index, key, hash))
		return true;
	return (table->hot[index].flags & SESSION_HAS_ALIAS) != 0 &&
	       session_key_is_equal(&session_table_get_extension(table, index)->alias, key);
}

uint32_t session_table_search(const struct session_table *table, const struct session_key *key,
			      uint64_t hash, uint32_t hint)
{
	// A free line has version 0, so that no hint of the past matches.
	if (hint != SESSION_NONE && is_match(table, hint, key, hash))
		return hint;
	struct session_probe probe;
	uint32_t index;
	session_probe_init(&probe, &table->index, hash);
	do {
		index = session_probe_next(&probe, &table->index) & ~SESSION_ENTRY_ALIAS;
	} while (index != SESSION_NONE && !is_match(table, index, key, hash));
	return index;
}

// SESSION_NONE when there is no memory for another line.
static uint32_t take_index(struct session_table *table)
{
	uint32_t index = table->free_head;
	if (index == SESSION_NONE) {
		if (!reach_line(table, table->used_count + 1))
			return SESSION_NONE;
		table->memory.marks->used_count = ++table->used_count;
		return table->used_count;
	}
	table->free_head = table->cold[index].timer.next;
	return index;
}

static void give_index(struct session_table *table, uint32_t index)
{
	memset(&table->hot[index], 0, sizeof(table->hot[index]));
	memset(&table->cold[index], 0, sizeof(table->cold[index]));
	table->cold[index].timer.next = table->free_head;
	table->free_head = index;
}

static void set_key(struct session_hot *hot, const struct session_key *key, uint64_t hash)
{
	hot->ports_tag = key->ports_tag;
	hot->address = key->version == 4 ? key->address[0] : hash;
	hot->realm = key->realm;
	if (key->source_is_high)
		hot->flags |= SESSION_ORIGINATOR_IS_HIGH;
	if (key->is_reply)
		hot->flags |= SESSION_ICMP_REPLY_FIRST;
}

static uint32_t get_extension_id(struct session_table *table)
{
	uint32_t extension = slab_get(&table->extensions);
	table->memory.marks->extension_count = table->extensions.used_count;
	return extension;
}

int session_table_insert(struct session_table *table, const struct session_key *key, uint64_t hash,
			 uint64_t time_ns, uint32_t *ret_index)
{
	if (table->count == table->capacity)
		return -ENOSPC;
	uint32_t extension = 0;
	if (key->version == 6) {
		extension = get_extension_id(table);
		if (extension == 0)
			return -ENOMEM;
		struct session_extension *record = slab_record(&table->extensions, extension);
		memcpy(record->address, key->address, sizeof(record->address));
	}
	uint32_t index = take_index(table);
	struct session_hot *hot = &table->hot[index];
	struct session_cold *cold = &table->cold[index];
	if (index == SESSION_NONE || session_index_insert(&table->index, hash, index) != 0) {
		if (extension != 0)
			slab_put(&table->extensions, extension);
		if (index != SESSION_NONE)
			give_index(table, index);
		return index == SESSION_NONE ? -ENOMEM : -ENOSPC;
	}
	session_table_begin_change(table, index);
	memset(hot, 0, sizeof(*hot));
	memset(cold, 0, sizeof(*cold));
	set_key(hot, key, hash);
	hot->state = STELLAR_SESSION_OPENING;
	hot->last_seen_ms = (uint32_t)(time_ns / NS_PER_MS);
	table->memory.marks->serial = ++table->serial;
	cold->serial_low = (uint32_t)table->serial;
	cold->serial_high = (uint16_t)(table->serial >> 32);
	cold->start_ns = time_ns;
	cold->ingress_id = UINT16_MAX;
	cold->egress_id = UINT16_MAX;
	cold->extension = extension;
	timer_wheel_append(&table->wheel, index);
	table->count++;
	*ret_index = index;
	return 0;
}

static void forget_alias(struct session_table *table, uint32_t index)
{
	const struct session_key *alias = &session_table_get_extension(table, index)->alias;
	session_index_remove(&table->index, session_table_hash(table, alias),
			     index | SESSION_ENTRY_ALIAS);
	table->alias_count--;
}

// The hash of a session that goes: worked out already when a timer brought it here. Its index will
// mean another one soon, so nothing may be remembered under it.
static uint64_t take_hash(struct session_table *table, uint32_t index)
{
	uint64_t hash = 0;
	bool known = false;
	for (unsigned i = 0; i < SESSION_UPCOMING; i++) {
		if (table->upcoming[i].index == index) {
			hash = table->upcoming[i].hash;
			known = true;
			table->upcoming[i].index = SESSION_NONE;
		}
	}
	return known ? hash : hash_of(table, index);
}

void session_table_remove(struct session_table *table, uint32_t index)
{
	struct session_hot *hot = &table->hot[index];
	uint64_t hash = take_hash(table, index);
	session_table_begin_closing(table, index);
	session_index_remove(&table->index, hash, index);
	if ((hot->flags & SESSION_HAS_ALIAS) != 0)
		forget_alias(table, index);
	struct session_extension *extension = session_table_get_extension(table, index);
	if (extension != NULL) {
		metadata_clear(&extension->metadata);
		slab_put(&table->extensions, table->cold[index].extension);
	}
	timer_wheel_remove(&table->wheel, index);
	give_index(table, index);
	table->count--;
	session_table_end_closing(table);
}

int session_table_add_alias(struct session_table *table, uint32_t index,
			    const struct session_key *alias)
{
	struct session_hot *hot = &table->hot[index];
	uint64_t hash = session_table_hash(table, alias);
	if ((hot->flags & SESSION_HAS_ALIAS) != 0 ||
	    session_table_lookup(table, alias, hash, SESSION_NONE) != SESSION_NONE)
		return -EEXIST;
	if (table->alias_count == table->alias_capacity)
		return -ENOSPC;
	struct session_extension *extension = session_table_need_extension(table, index);
	if (extension == NULL)
		return -ENOMEM;
	if (session_index_insert(&table->index, hash, index | SESSION_ENTRY_ALIAS) != 0)
		return -ENOSPC;
	extension->alias = *alias;
	table->alias_count++;
	hot->flags |= SESSION_HAS_ALIAS;
	hot->flags &= (uint16_t)~SESSION_ALIAS_ORIGINATOR_IS_HIGH;
	if (alias->source_is_high)
		hot->flags |= SESSION_ALIAS_ORIGINATOR_IS_HIGH;
	return 0;
}

int session_table_remove_alias(struct session_table *table, uint32_t index)
{
	if ((table->hot[index].flags & SESSION_HAS_ALIAS) == 0)
		return -ENOENT;
	forget_alias(table, index);
	table->hot[index].flags &=
		(uint16_t)~(SESSION_HAS_ALIAS | SESSION_ALIAS_ORIGINATOR_IS_HIGH);
	return 0;
}

struct session_extension *session_table_get_extension(const struct session_table *table,
						      uint32_t index)
{
	uint32_t extension = table->cold[index].extension;
	return extension == 0 ? NULL : slab_record(&table->extensions, extension);
}

struct session_extension *session_table_need_extension(struct session_table *table, uint32_t index)
{
	if (table->cold[index].extension == 0)
		table->cold[index].extension = get_extension_id(table);
	return session_table_get_extension(table, index);
}

static bool is_victim(const struct session_hot *hot)
{
	return hot->version != 0 && hot->state == STELLAR_SESSION_OPENING &&
	       (hot->flags & (SESSION_LOCKED | SESSION_HAS_CHILDREN)) == 0;
}

// A TCP session that is over and waits for stray segments.
static bool is_ended(const struct session_hot *hot)
{
	return hot->version != 0 &&
	       (hot->tcp_state == STELLAR_TCP_TIME_WAIT || hot->tcp_state == STELLAR_TCP_CLOSED) &&
	       (hot->flags & (SESSION_LOCKED | SESSION_HAS_CHILDREN)) == 0;
}

// Nobody young is left: of the next few lines, who has been silent longest.
static uint32_t scan_for_victim(struct session_table *table)
{
	uint32_t victim = SESSION_NONE;
	uint32_t longest = 0;
	uint32_t now = (uint32_t)table->wheel.now_ms;
	for (uint32_t i = 0; i < SESSION_VICTIM_WORK && i < table->used_count; i++) {
		table->victim_hand = table->victim_hand % table->used_count + 1;
		const struct session_hot *hot = &table->hot[table->victim_hand];
		if ((is_victim(hot) || is_ended(hot)) &&
		    (victim == SESSION_NONE || now - hot->last_seen_ms > longest)) {
			victim = table->victim_hand;
			longest = now - hot->last_seen_ms;
		}
	}
	return victim;
}

uint32_t session_table_get_oldest_opening(struct session_table *table)
{
	for (uint32_t i = 0; i < SESSION_VICTIM_WORK; i++) {
		uint32_t oldest = timer_wheel_get_queue_head(&table->wheel);
		if (oldest == SESSION_NONE || is_victim(&table->hot[oldest]))
			return oldest;
		// It is established, or locked: it waits for its time elsewhere.
		timer_wheel_remove(&table->wheel, oldest);
		timer_wheel_insert(&table->wheel, oldest);
	}
	return SESSION_NONE;
}

uint32_t session_table_pick_victim(struct session_table *table)
{
	uint32_t oldest = session_table_get_oldest_opening(table);
	return oldest != SESSION_NONE ? oldest : scan_for_victim(table);
}

void session_table_rearm(struct session_table *table, uint32_t index, uint32_t previous_timeout_ms)
{
	bool waits = timer_wheel_has(&table->wheel, index);
	if (waits && session_table_get_timeout_ms(table, index) >= previous_timeout_ms)
		return;
	timer_wheel_remove(&table->wheel, index);
	timer_wheel_insert(&table->wheel, index);
}

void session_table_carry(struct session_table *table, uint32_t index,
			 enum stellar_direction direction, bool packets, bool bytes)
{
	struct session_cold *cold = &table->cold[index];
	cold->packets_high[direction] = (uint8_t)(cold->packets_high[direction] + packets);
	cold->bytes_high[direction] = (uint16_t)(cold->bytes_high[direction] + bytes);
}
