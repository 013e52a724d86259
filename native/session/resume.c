// SPDX-License-Identifier: Apache-2.0

// See resume.h. Lines are looked at in groups: the keys of a group are hashed at once and their
// places in the index fetched while the rest of the group is checked, as for a burst of packets.

#include "session/resume.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "session/region.h"
#include "session/table.h"
#include "session/tie.h"

#define NS_PER_MS UINT64_C(1000000)
#define GROUP 16
#define WINDOW_SCALE_MAX 14 // RFC 7323 2.3
#define GENERATIONS_MAX 16 // of parents above a session
#define SINCE_MIN_MS (INT32_MIN + 3600000) // earlier would soon be taken for the future
#define FORMAT 1u // counts up when a value of the lines changes its meaning

// A child, and what orders it among its siblings.
struct tie {
	uint64_t serial;
	uint32_t parent;
	uint32_t child;
};

struct scan {
	struct session_table *table;
	const struct session_resume *resume;
	uint64_t *extensions; // bit (id - 1): some session has it
	struct session_resume_count count;
	uint64_t tie_count;
	uint32_t found;
	uint32_t index[GROUP];
	struct session_key keys[GROUP];
	uint64_t hashes[GROUP];
};

void session_resume_add_shape(uint64_t capacity, struct region_shape *shape)
{
	const uint64_t meaning[] = {
		FORMAT,
		SLAB_CHUNK,
		STELLAR_TCP_STATE_COUNT,
		STELLAR_SESSION_STATE_COUNT,
		sizeof(struct session_marks),
		offsetof(struct session_hot, address),
		offsetof(struct session_hot, realm),
		offsetof(struct session_hot, last_seen_ms),
		offsetof(struct session_hot, packets),
		offsetof(struct session_hot, seq_end),
		offsetof(struct session_hot, acked),
		offsetof(struct session_hot, max_window),
		offsetof(struct session_hot, flags),
		offsetof(struct session_hot, window_scale),
		offsetof(struct session_cold, start_ns),
		offsetof(struct session_cold, serial_low),
		offsetof(struct session_cold, ingress_id),
		offsetof(struct session_cold, bytes_high),
		offsetof(struct session_cold, context),
		offsetof(struct session_cold, extension),
		offsetof(struct session_cold, generation),
		offsetof(struct session_cold, rule_id),
		offsetof(struct session_extension, parent),
		offsetof(struct session_extension, alias),
		sizeof(struct session_key),
	};
	const size_t sizes[] = {
		sizeof(struct session_hot),
		sizeof(struct session_cold),
		sizeof(struct session_extension),
	};
	uint64_t chunks = (capacity + SLAB_CHUNK - 1) / SLAB_CHUNK * SLAB_CHUNK;

	shape->identity = region_identity_add(shape->identity, meaning, sizeof(meaning));
	for (unsigned i = 0; i < 3; i++) {
		shape->array[shape->array_count].record_size = sizes[i];
		shape->array[shape->array_count].capacity = i < 2 ? capacity + 1 : chunks;
		shape->array_count++;
	}
}

static bool is_ip_version(uint8_t version)
{
	return version == 4 || version == 6;
}

static bool is_line_sound(const struct scan *scan, uint32_t index)
{
	const struct session_table *table = scan->table;
	const struct session_hot *hot = &table->hot[index];
	const struct session_cold *cold = &table->cold[index];
	uint64_t serial = (uint64_t)cold->serial_high << 32 | cold->serial_low;
	uint64_t now_ns = table->memory.marks->now_ns;
	uint64_t now_ms = now_ns / NS_PER_MS;
	int32_t since = (int32_t)(hot->last_seen_ms - (uint32_t)now_ms);
	bool is_tcp = hot->protocol == IPPROTO_TCP;

	return is_ip_version(hot->version) &&
	       (hot->state == STELLAR_SESSION_OPENING || hot->state == STELLAR_SESSION_ACTIVE) &&
	       hot->tcp_state < STELLAR_TCP_STATE_COUNT &&
	       (is_tcp || hot->tcp_state == STELLAR_TCP_NONE) &&
	       (hot->window_scale & 15u) <= WINDOW_SCALE_MAX &&
	       hot->window_scale >> 4 <= WINDOW_SCALE_MAX &&
	       (hot->flags & ~(unsigned)scan->resume->flags) == 0 && since <= 0 &&
	       since >= SINCE_MIN_MS && serial != 0 && serial <= table->memory.marks->serial &&
	       cold->start_ns <= now_ns &&
	       (cold->ingress_id < scan->resume->interface_count ||
		cold->ingress_id == UINT16_MAX) &&
	       (cold->egress_id < scan->resume->interface_count || cold->egress_id == UINT16_MAX);
}

static bool is_extension_sound(const struct scan *scan, uint32_t index)
{
	const struct session_table *table = scan->table;
	const struct session_hot *hot = &table->hot[index];
	uint32_t id = table->cold[index].extension;

	if (id == 0)
		return hot->version == 4 && (hot->flags & SESSION_HAS_ALIAS) == 0;
	if (id > table->extensions.used_count ||
	    (scan->extensions[(id - 1) / 64] >> (id - 1) % 64 & 1) != 0)
		return false;
	const struct session_extension *extension = slab_record(&table->extensions, id);

	return (hot->flags & SESSION_HAS_ALIAS) == 0 || is_ip_version(extension->alias.version);
}

static void clear_line(struct session_table *table, uint32_t index)
{
	memset(&table->hot[index], 0, sizeof(table->hot[index]));
	memset(&table->cold[index], 0, sizeof(table->cold[index]));
}

static void drop(struct scan *scan, uint32_t index)
{
	clear_line(scan->table, index);
	scan->count.torn++;
}

static void mark_extension(struct scan *scan, uint32_t index, bool in_use)
{
	uint32_t place = scan->table->cold[index].extension - 1;
	uint64_t bit = UINT64_C(1) << place % 64;

	if (in_use)
		scan->extensions[place / 64] |= bit;
	else
		scan->extensions[place / 64] &= ~bit;
}

// Volatile values of a session that stays.
static void reset(struct scan *scan, uint32_t index)
{
	struct session_cold *cold = &scan->table->cold[index];

	scan->table->hot[index].flags &= (uint16_t)~(SESSION_LOCKED | SESSION_HAS_CHILDREN);
	cold->timer = (struct timer_link){0};
	if (cold->extension == 0)
		return;
	struct session_extension *extension =
		slab_record(&scan->table->extensions, cold->extension);

	mark_extension(scan, index, true);
	extension->metadata = NULL;
	extension->first_child = SESSION_NONE;
	extension->next_sibling = SESSION_NONE;
	extension->previous_sibling = SESSION_NONE;
	extension->child_count = 0;
	scan->tie_count += extension->parent != SESSION_NONE;
}

// The alias stands in the index too, or goes.
static void resume_alias(struct session_table *table, uint32_t index)
{
	const struct session_key *alias = &session_table_get_extension(table, index)->alias;
	uint64_t hash = session_table_hash(table, alias);

	if (table->alias_count < table->alias_capacity &&
	    session_table_lookup(table, alias, hash, SESSION_NONE) == SESSION_NONE &&
	    session_index_insert(&table->index, hash, index | SESSION_ENTRY_ALIAS) == 0)
		table->alias_count++;
	else
		table->hot[index].flags &=
			(uint16_t)~(SESSION_HAS_ALIAS | SESSION_ALIAS_ORIGINATOR_IS_HIGH);
}

// Two sessions of one key: the one found first stays.
static bool enter(struct scan *scan, uint32_t index, const struct session_key *key, uint64_t hash)
{
	struct session_table *table = scan->table;

	if (session_table_lookup(table, key, hash, SESSION_NONE) != SESSION_NONE ||
	    session_index_insert(&table->index, hash, index) != 0)
		return false;
	if (key->version == 6)
		table->hot[index].address = hash;
	table->count++;
	scan->count.resumed++;
	timer_wheel_insert(&table->wheel, index);
	return true;
}

static void enter_group(struct scan *scan)
{
	struct session_table *table = scan->table;

	session_key_hash_burst(&table->secret, scan->keys, scan->found, scan->hashes);
	for (uint32_t i = 0; i < scan->found; i++)
		scan->hashes[i] &= table->hash_mask;
	session_index_prefetch(&table->index, scan->hashes, scan->found);
	for (uint32_t i = 0; i < scan->found; i++) {
		if (enter(scan, scan->index[i], &scan->keys[i], scan->hashes[i]))
			continue;
		if (table->cold[scan->index[i]].extension != 0)
			mark_extension(scan, scan->index[i], false);
		drop(scan, scan->index[i]);
	}
	scan->found = 0;
}

static void look_at(struct scan *scan, uint32_t index)
{
	struct session_table *table = scan->table;

	if (table->hot[index].version == 0)
		return;
	if (!is_line_sound(scan, index) || !is_extension_sound(scan, index)) {
		drop(scan, index);
		return;
	}
	reset(scan, index);
	scan->index[scan->found] = index;
	session_table_get_key(table, index, &scan->keys[scan->found]);
	if (++scan->found == GROUP)
		enter_group(scan);
}

// Aliases come after all first keys, which have the older right to them; then free lines.
static void finish_lines(struct scan *scan)
{
	struct session_table *table = scan->table;

	for (uint32_t index = table->used_count; index > 0; index--) {
		if (table->hot[index].version == 0) {
			clear_line(table, index);
			table->cold[index].timer.next = table->free_head;
			table->free_head = index;
		}
	}
	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		if ((table->hot[index].flags & SESSION_HAS_ALIAS) != 0)
			resume_alias(table, index);
	}
}

// A parent is a living session that is not, through its own parents, a child of its child.
static bool is_parent_sound(const struct session_table *table, uint32_t child, uint32_t parent)
{
	for (int step = 0; step < GENERATIONS_MAX; step++) {
		if (parent == SESSION_NONE)
			return true;
		if (parent > table->used_count || table->hot[parent].version == 0 ||
		    parent == child)
			return false;
		const struct session_extension *extension =
			session_table_get_extension(table, parent);

		parent = extension != NULL ? extension->parent : SESSION_NONE;
	}
	return false;
}

static int compare_ties(const void *a, const void *b)
{
	const struct tie *left = a;
	const struct tie *right = b;

	if (left->parent != right->parent)
		return left->parent < right->parent ? -1 : 1;
	return left->serial < right->serial ? -1 : left->serial > right->serial;
}

static uint64_t collect_ties(const struct session_table *table, struct tie *ret_ties)
{
	uint64_t count = 0;

	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		struct session_extension *extension = session_table_get_extension(table, index);

		if (extension == NULL || extension->parent == SESSION_NONE)
			continue;
		if (!is_parent_sound(table, index, extension->parent)) {
			extension->parent = SESSION_NONE;
			continue;
		}
		ret_ties[count++] = (struct tie){
			.serial = session_table_get_id(table, index) - table->id_base,
			.parent = extension->parent,
			.child = index,
		};
	}
	return count;
}

// Children hang on their parent again, oldest first.
static int resume_ties(struct scan *scan)
{
	struct session_table *table = scan->table;

	if (scan->tie_count == 0)
		return 0;
	struct tie *ties = calloc(scan->tie_count, sizeof(*ties));

	if (ties == NULL)
		return -ENOMEM;
	uint64_t count = collect_ties(table, ties);

	qsort(ties, count, sizeof(*ties), compare_ties);
	for (uint64_t i = 0; i < count; i++) {
		struct session_extension *child = session_table_get_extension(table, ties[i].child);
		const struct session_extension *parent =
			session_table_need_extension(table, ties[i].parent);

		if (parent == NULL) // no memory: it goes on by itself
			child->parent = SESSION_NONE;
		else
			session_tie_add(table, ties[i].parent, ties[i].child);
	}
	free(ties);
	return 0;
}

// Lines and extensions that the marks speak of. Returns 0, -EBADMSG or -ENOMEM.
static int reach(struct session_table *table)
{
	const struct session_marks *marks = table->memory.marks;
	uint64_t lines = (uint64_t)marks->used_count + 1;

	if (marks->used_count > table->capacity ||
	    marks->extension_count > table->memory.extensions->capacity)
		return -EBADMSG;
	if (!region_array_reach(table->memory.hot, lines) ||
	    !region_array_reach(table->memory.cold, lines) ||
	    !region_array_reach(table->memory.extensions, marks->extension_count))
		return -ENOMEM;
	return 0;
}

static void drop_marked(struct scan *scan, uint32_t index)
{
	struct session_table *table = scan->table;

	if (index == SESSION_NONE || index > table->used_count)
		return;
	// One that was on its way in or out may be a free line already.
	if (table->hot[index].version != 0)
		scan->count.torn++;
	clear_line(table, index);
}

int session_table_resume(struct session_table *table, const struct session_resume *resume,
			 struct session_resume_count *ret_count)
{
	struct session_marks *marks = table->memory.marks;
	struct scan scan = {.table = table, .resume = resume};
	int result = reach(table);

	if (result == 0)
		result = slab_resume(&table->extensions, marks->extension_count);
	if (result != 0)
		return result;
	scan.extensions = calloc(marks->extension_count / 64 + 1, sizeof(*scan.extensions));
	if (scan.extensions == NULL)
		return -ENOMEM;
	table->used_count = marks->used_count;
	table->serial = marks->serial;
	clear_line(table, SESSION_NONE);
	drop_marked(&scan, marks->changing);
	drop_marked(&scan, marks->outer);
	drop_marked(&scan, marks->closing);
	for (uint32_t index = 1; index <= table->used_count; index++)
		look_at(&scan, index);
	enter_group(&scan);
	finish_lines(&scan);
	slab_put_others(&table->extensions, scan.extensions);
	free(scan.extensions);
	result = resume_ties(&scan);
	marks->in_hand = SESSION_NONE;
	marks->closing = SESSION_NONE;
	*ret_count = scan.count;
	return result;
}
