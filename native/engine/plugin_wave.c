// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_wave.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/batch.h>

#include "engine/plugin_call.h"
#include "engine/plugin_version.h"

// What observers hear one by one.
#define WAVE_EVENTS \
	(STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA))
#define LOCKS_MAX 65536u
#define BIT(id) (UINT64_C(1) << (id))

_Static_assert(STELLAR_BATCH_MAX == STELLAR_BURST_MAX, "a wave is a batch");

// A plugin was disabled in the callback of this place.
struct wave_disabling {
	uint32_t position;
	uint16_t plugin_id;
};

struct wave_record {
	struct output_record record;
	uint32_t position;
	char text[STELLAR_LOG_TEXT_MAX]; // of one that a plugin writes
};

struct plugin_wave {
	const struct plugin_table *plugins; // that `batching` was found for
	bool is_possible;
	uint8_t type; // of all its events, enum stellar_event
	bool is_calling;
	uint32_t position; // of the callback, when it is no batch
	uint64_t age; // see plugin_wave_get_age
	uint64_t joining; // types of events that may be in one, as STELLAR_EVENT_BIT
	uint8_t places[STELLAR_BATCH_MAX]; // of a batch's entries
	uint8_t caused[STELLAR_BURST_MAX]; // events that callbacks caused
	struct packet *packets[STELLAR_BURST_MAX];
	struct session sessions[STELLAR_BURST_MAX];
	struct event events[STELLAR_BURST_MAX];
	struct wave_disabling disablings[STELLAR_PLUGINS_MAX];
	uint32_t disabling_count;
	struct wave_record *records;
	uint32_t record_count;
	uint32_t record_capacity;
};

int plugin_wave_init(struct worker *worker)
{
	worker->wave = calloc(1, sizeof(*worker->wave));
	return worker->wave != NULL ? 0 : -ENOMEM;
}

// Who takes batches.
static uint64_t find_batching(const struct worker *worker)
{
	const struct plugin_table *table = worker->plugins;
	uint64_t batching = 0;

	for (size_t id = 0; id < table->plugin_count; id++) {
		if (table->plugins[id]->rows[worker->id].batch != NULL)
			batching |= BIT(id);
	}
	return batching;
}

void plugin_wave_fini(struct worker *worker)
{
	if (worker->wave != NULL)
		free(worker->wave->records);
	free(worker->wave);
}

bool plugin_wave_is_calling(const struct worker *worker)
{
	return worker->wave->is_calling;
}

// Whether some plugin hears the event in batches, and those that hear it have nothing in common but
// sessions, and one version each.
static bool may_wave(const struct worker *worker, uint8_t type)
{
	const struct plugin_table *table = worker->plugins;
	uint64_t hearing = table->interest[type];
	uint64_t timed = hearing & table->interest[STELLAR_EVENT_TIMER];

	return (hearing & worker->batching) != 0 && (timed & (timed - 1)) == 0 &&
	       (hearing & table->versioned) == 0;
}

void plugin_wave_prepare(struct worker *worker)
{
	const struct engine *engine = worker->engine;
	const struct engine_limits *limits = &engine->config.limits;

	if (worker->wave->plugins != worker->plugins) {
		worker->wave->plugins = worker->plugins;
		worker->batching = find_batching(worker);
	}
	worker->wave->is_possible =
		worker->batching != 0 && !engine->config.tunnel_parents &&
		(worker->observers.events & WAVE_EVENTS) == 0 &&
		!plugin_wants(worker, STELLAR_EVENT_METADATA_CHANGED) &&
		!plugin_wants(worker, STELLAR_EVENT_DERIVED) &&
		!plugin_wants(worker, STELLAR_EVENT_SESSION_SUSPENDED) &&
		worker->lock_count + STELLAR_BURST_MAX <= LOCKS_MAX &&
		hold_stage_has_room(worker, STELLAR_BURST_MAX) &&
		worker->expectations.count + STELLAR_BURST_MAX * limits->expectations_session <=
			limits->expectations &&
		worker->receiver == worker;
	worker->wave->joining = 0;
	if (may_wave(worker, STELLAR_EVENT_SESSION_PACKET))
		worker->wave->joining |= STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET);
	if (may_wave(worker, STELLAR_EVENT_UDP_DATA))
		worker->wave->joining |= STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA);
}

// The first time that the wave can't stand for: timers of the next millisecond, figures, fragments
// that are given up.
static uint64_t find_end(const struct worker *worker)
{
	uint64_t end_ns = (worker->now_ns / NS_PER_MS + 1) * NS_PER_MS;
	uint64_t fragments_ns = defragment_stage_get_deadline(worker);

	if (worker->id == 0 && worker->next_stats_ns < end_ns)
		end_ns = worker->next_stats_ns;
	return fragments_ns < end_ns ? fragments_ns : end_ns;
}

// Whether packet and session are of those that join.
static bool is_plain(struct worker *worker, const struct packet *packet)
{
	const struct session *session = &worker->current;
	const struct queued_event *queued = &worker->queue.events[0];
	const uint16_t special =
		SESSION_BLOCKED | SESSION_BYPASSED | SESSION_RESUMED | SESSION_HAS_CHILDREN;

	if (worker->queue.count != 1 || session->block == NULL ||
	    packet->verdict.disposition == STELLAR_DROP || worker->failed_closed != 0)
		return false;
	return queued->index == session->index &&
	       (worker->wave->joining >> queued->event.type & 1) != 0 &&
	       (session->hot->flags & special) == 0 && session->block->stream == 0 &&
	       session->block->owner_id == STELLAR_PLUGIN_NONE &&
	       (session->cold->extension == 0 ||
		session_family_get_parent(worker, session->index) == SESSION_NONE);
}

// Whether the next packet would end a wave that begins with this one. A guess: either way is right.
static bool is_lonely(const struct worker *worker, const struct packet *packet)
{
	size_t next = (size_t)(packet - worker->packets) + 1;

	return next < STELLAR_BURST_MAX && worker->hashes[next] == worker->hashes[next - 1];
}

bool plugin_wave_join(struct worker *worker, struct packet *packet)
{
	struct plugin_wave *wave = worker->wave;
	uint32_t position = worker->wave_count;

	if (position == 0 && (!wave->is_possible || is_lonely(worker, packet)))
		return false;
	bool joins = wave->is_possible && is_plain(worker, packet);
	const struct event *event = &worker->queue.events[0].event;

	if (position != 0 && (!joins || event->type != wave->type)) {
		plugin_wave_end(worker);
		position = 0;
	}
	if (!joins)
		return false;
	if (position == 0) {
		worker->wave_number++;
		worker->wave_end_ns = find_end(worker);
		wave->type = event->type;
	}
	worker->current.block->wave = worker->wave_number;
	wave->packets[position] = packet;
	wave->events[position] = *event;
	wave->sessions[position] = worker->current;
	wave->sessions[position].event = &wave->events[position];
	wave->caused[position] = 0;
	worker->queue.count = 0;
	worker->wave_count++;
	session_table_end_change(worker->table);
	return true;
}

// Of the callback in progress.
static uint32_t get_position(const struct worker *worker)
{
	const struct plugin_wave *wave = worker->wave;

	return worker->batch != NULL ? wave->places[worker->batch->position] : wave->position;
}

uint64_t plugin_wave_get_age(const struct worker *worker)
{
	const struct plugin_wave *wave = worker->wave;

	return wave->age + (wave->is_calling ? get_position(worker) : 0);
}

int plugin_wave_count(struct worker *worker, const struct event *event)
{
	struct plugin_wave *wave = worker->wave;

	uint32_t position = get_position(worker);

	// One by one they would wait in the queue, behind the packet's own event.
	if (wave->caused[position] == EVENT_QUEUE_MAX - 1) {
		worker->ledger.events_overflowed++;
		return -ENOSPC;
	}
	wave->caused[position]++;
	plugin_count_event(worker, event);
	return 0;
}

struct output_record *plugin_wave_reserve(struct worker *worker)
{
	struct plugin_wave *wave = worker->wave;

	if (wave->record_count == wave->record_capacity) {
		uint32_t capacity = wave->record_capacity == 0 ? 64 : 2 * wave->record_capacity;
		void *records = realloc(wave->records, capacity * sizeof(*wave->records));

		if (records == NULL)
			return NULL;
		wave->records = records;
		wave->record_capacity = capacity;
	}
	struct wave_record *record = &wave->records[wave->record_count++];

	record->position = get_position(worker);
	return &record->record;
}

char *plugin_wave_get_text(struct worker *worker)
{
	return worker->wave->records[worker->wave->record_count - 1].text;
}

// Remember whom the callback of this place has disabled.
static void note_disabled(struct worker *worker, const struct plugin_host *host, uint32_t position)
{
	struct plugin_wave *wave = worker->wave;

	wave->disablings[wave->disabling_count++] = (struct wave_disabling){position, host->id};
}

static void call_one_by_one(struct worker *worker, struct plugin_host *host)
{
	struct plugin_wave *wave = worker->wave;

	for (uint32_t i = 0; i < worker->wave_count; i++) {
		struct session *session = &wave->sessions[i];

		if (plugin_is_disabled(worker, host->id))
			return;
		if (!plugin_is_called(worker, session->block, host, session->event->type))
			continue;
		wave->position = i;
		worker->now_ns = session->event->time_ns;
		session_table_begin_change(worker->table, session->index);
		plugin_call(worker, session, host);
		session_table_end_change(worker->table);
		if (plugin_is_disabled(worker, host->id))
			note_disabled(worker, host, i);
	}
}

// Fill the host's batch with those that it is called for.
static void fill_batch(struct worker *worker, struct plugin_host *host, struct plugin_batch *batch)
{
	struct plugin_wave *wave = worker->wave;
	const uint64_t bit = BIT(host->id);
	const uint64_t needed = host->plugin->context_size > 0 ? bit : 0;
	uint32_t count = 0;

	for (uint32_t i = 0; i < worker->wave_count; i++) {
		struct session *session = &wave->sessions[i];
		struct plugin_block *block = session->block;

		// The usual one has been called before, and nobody has left or taken over.
		if ((block->detached & bit) != 0 || block->owner_id != STELLAR_PLUGIN_NONE ||
		    (block->initialised & needed) != needed) {
			wave->position = i;
			worker->now_ns = wave->events[i].time_ns;
			if (!plugin_is_called(worker, block, host, wave->type) ||
			    (needed != 0 && !plugin_open_context(worker, session, host)))
				continue;
		}
		struct plugin_batch_entry *entry = &batch->entries[count];

		block->called |= bit;
		wave->places[count++] = (uint8_t)i;
		entry->session = session;
		entry->event = &wave->events[i];
		entry->context = plugin_context_get(worker, block, host);
		entry->index = session->index;
		entry->asked = 0;
	}
	batch->count = count;
	batch->position = 0;
	batch->type = wave->type;
	batch->changing = &worker->table->memory.marks->changing;
}

// What the callbacks of entries from `first` on have asked for.
static void settle_batch(struct worker *worker, struct plugin_host *host,
			 struct plugin_batch *batch, uint32_t first)
{
	uint32_t end = batch->position < batch->count ? batch->position + 1 : batch->count;

	for (uint32_t i = first; i < end; i++) {
		if (batch->entries[i].asked != 0)
			plugin_settle_entry(worker, host, &batch->entries[i]);
	}
}

static void call_batch(struct worker *worker, struct plugin_host *host)
{
	struct plugin_wave *wave = worker->wave;
	struct plugin_batch *batch = host->rows[worker->id].batch;

	fill_batch(worker, host, batch);
	while (batch->position < batch->count) {
		uint32_t first = batch->position;

		plugin_call_batch(worker, host, batch);
		session_table_end_change(worker->table);
		settle_batch(worker, host, batch, first);
		if (batch->position < batch->count && plugin_is_disabled(worker, host->id)) {
			note_disabled(worker, host, wave->places[batch->position]);
			return;
		}
		batch->position += batch->position < batch->count;
	}
}

static void call_plugins(struct worker *worker)
{
	const struct plugin_table *table = worker->plugins;
	struct plugin_wave *wave = worker->wave;
	uint64_t left = table->interest[wave->type];

	wave->is_calling = true;
	for (; left != 0; left &= left - 1) {
		struct plugin_host *host = table->plugins[__builtin_ctzll(left)];

		if (plugin_is_disabled(worker, host->id))
			continue;
		if (host->rows[worker->id].batch != NULL)
			call_batch(worker, host);
		else
			call_one_by_one(worker, host);
	}
	wave->is_calling = false;
	wave->age += worker->wave_count;
}

static void write_records(struct worker *worker, uint32_t position)
{
	const struct plugin_wave *wave = worker->wave;

	for (uint32_t i = 0; i < wave->record_count; i++) {
		struct wave_record *record = &wave->records[i];

		if (record->position != position)
			continue;
		if (record->record.type == OUTPUT_LOG)
			record->record.log.text = record->text; // they may have been moved
		record_copy(worker, &record->record);
	}
}

// A packet leaves, with what was disabled until then, and not after.
static void leave(struct worker *worker, uint32_t position, uint64_t disabled)
{
	struct plugin_wave *wave = worker->wave;
	struct session *session = &worker->current;

	for (uint32_t i = 0; i < wave->disabling_count; i++) {
		uint64_t bit = BIT(wave->disablings[i].plugin_id);

		if (wave->disablings[i].position <= position)
			continue;
		disabled &= ~bit;
	}
	worker->disabled = disabled;
	*session = wave->sessions[position];
	session->event = NULL;
	worker->now_ns = wave->events[position].time_ns;
	session_table_begin_change(worker->table, session->index);
	write_records(worker, position);
	if (wave->packets[position]->verdict.disposition >= STELLAR_HOLD ||
	    session->block->consented != 0 || worker->just_failed != 0 || worker->hold->count > 0)
		plugin_stage_settle(worker, wave->packets[position]);
	session_table_end_change(worker->table);
	stage_egress(worker, wave->packets[position]);
}

void plugin_wave_end(struct worker *worker)
{
	struct plugin_wave *wave = worker->wave;
	struct session current = worker->current;
	uint64_t now_ns = worker->now_ns;
	uint32_t changing = worker->table->memory.marks->changing;
	uint32_t count = worker->wave_count;

	worker->ledger.events[wave->type] += count;
	wave->disabling_count = 0;
	wave->record_count = 0;
	call_plugins(worker);
	uint64_t disabled = worker->disabled;

	for (uint32_t i = 0; i < count; i++)
		leave(worker, i, disabled);
	worker->disabled = disabled;
	worker->wave_count = 0;
	worker->current = current;
	worker->now_ns = now_ns;
	worker->table->memory.marks->changing = changing;
}
