// SPDX-License-Identifier: Apache-2.0

// Rounds of a replay with several workers; see spread_replay.h.

#include "engine/spread_replay.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/spread.h"
#include "engine/worker.h"

#define ABSENT_POLL_NS 10000000 // a worker that has not been started, a stop
#define ORDER_TIMERS 0u
#define ORDER_END UINT64_MAX

struct item {
	struct packet packet;
	struct frame frame; // as received
	uint64_t time_ns; // engine time
	uint64_t order; // number of the packet, from 1
	struct injection *injected; // beside it, a list
	uint32_t reply_length;
	uint8_t reply[BUILD_REPLY_MAX];
};

// A worker's place in the rounds.
struct place {
	bool entered; // its thread is there
	bool busy; // with its part of the round
	uint32_t count;
	uint16_t items[REPLAY_ROUND_MAX];
};

struct spread_replay {
	struct engine *engine;
	pthread_mutex_t lock;
	pthread_cond_t changed; // any of what follows
	bool reads; // the reader's thread is there
	bool finishing; // this round is the last: close what is left
	bool finished;
	uint64_t start_ns; // of the first packet; 0: none was read
	uint64_t end_ns; // of the round
	uint64_t order; // of the last packet
	uint32_t count;
	struct item items[REPLAY_ROUND_MAX];
	struct place places[STELLAR_WORKERS_MAX];
};

int spread_replay_create(struct engine *engine)
{
	uint32_t worker_count = engine->config.worker_count;

	if (engine->is_live || worker_count == 1)
		return 0;
	struct spread_replay *replay = calloc(1, sizeof(*replay));

	if (replay == NULL)
		return -ENOMEM;
	replay->engine = engine;
	pthread_mutex_init(&replay->lock, NULL);
	pthread_cond_init(&replay->changed, NULL);
	engine->replay = replay;
	return worker_create(engine, worker_count, &engine->reader);
}

void spread_replay_destroy(struct engine *engine)
{
	worker_destroy(engine->reader);
	if (engine->replay == NULL)
		return;
	pthread_cond_destroy(&engine->replay->changed);
	pthread_mutex_destroy(&engine->replay->lock);
	free(engine->replay);
}

static uint32_t worker_count(const struct spread_replay *replay)
{
	return replay->engine->config.worker_count;
}

static bool is_stopped(const struct spread_replay *replay)
{
	return atomic_load_explicit(&replay->engine->stop, memory_order_relaxed);
}

// A worker that was not started before the stop has nothing to say any more.
static void refuse_absent(struct spread_replay *replay)
{
	for (uint32_t id = 0; id < worker_count(replay); id++) {
		struct place *place = &replay->places[id];

		if (place->entered || !place->busy)
			continue;
		for (uint32_t i = 0; i < place->count; i++) {
			struct verdict *verdict = &replay->items[place->items[i]].packet.verdict;

			verdict->disposition = STELLAR_DROP;
			verdict->drop_reason = STELLAR_DROPPED_SHUTDOWN;
		}
		place->count = 0;
		place->busy = false;
	}
}

// Under the lock. Not for longer than a moment: a worker may never be started.
static void wait_for_change(struct spread_replay *replay)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ABSENT_POLL_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&replay->changed, &replay->lock, &until);
	if (is_stopped(replay))
		refuse_absent(replay);
}

// Records on their way out. Under the lock.

static bool is_before(const struct output_record *record, const struct output_record *other)
{
	if (record->time_ns != other->time_ns)
		return record->time_ns < other->time_ns;
	return record->order < other->order;
}

// The ring whose head comes next, or NULL: there is none, or a busy worker may still have an
// earlier one.
static struct output_ring *next_ring(struct spread_replay *replay)
{
	struct output_ring *next = &replay->engine->reader->output_ring;
	const struct output_record *first = output_ring_peek(next);

	for (uint32_t id = 0; id < worker_count(replay); id++) {
		struct output_ring *ring = &replay->engine->workers[id]->output_ring;
		const struct output_record *record = output_ring_peek(ring);

		if (record == NULL && replay->places[id].busy)
			return NULL;
		if (record != NULL && (first == NULL || is_before(record, first))) {
			first = record;
			next = ring;
		}
	}
	return first != NULL ? next : NULL;
}

static void write_records(struct spread_replay *replay)
{
	struct output *output = &replay->engine->output;
	struct output_ring *ring;

	if (output->path == NULL)
		return;
	while ((ring = next_ring(replay)) != NULL)
		output_drain_one(output, ring);
}

// A worker's part of a round.

static void judge_burst(struct worker *worker, struct item **items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		worker->packets[i] = items[i]->packet;
		worker->packets[i].verdict.generation =
			worker->policy != NULL ? worker->policy->generation : 0;
	}
	worker->receiver = worker->engine->reader;
	session_stage_prepare(worker, count);
	for (size_t i = 0; i < count; i++) {
		struct packet *packet = &worker->packets[i];

		session_table_look_ahead(worker->table, worker->hashes, count, i, worker->hints);
		worker->order = ORDER_TIMERS;
		session_stage_advance(worker, items[i]->time_ns);
		worker->order = items[i]->order;
		worker_judge(worker, i);
		hold_stage_begin_leave(worker, packet);
		stage_record(worker, packet);
		hold_stage_keep(worker, packet, NULL);
		items[i]->injected = inject_stage_take(worker, packet);
		items[i]->reply_length = stage_build_reply(worker, packet, items[i]->reply);
		items[i]->packet.verdict = packet->verdict;
		hold_stage_end_leave(worker, packet);
	}
}

static void judge_part(struct worker *worker, struct spread_replay *replay)
{
	struct place *place = &replay->places[worker->id];
	struct item *items[STELLAR_BURST_MAX];
	uint32_t done = 0;

	// Time begins for all at once.
	worker->order = ORDER_TIMERS;
	session_stage_advance(worker, replay->start_ns);
	while (done < place->count) {
		size_t count = 0;

		while (count < replay->engine->config.burst_size && done < place->count)
			items[count++] = &replay->items[place->items[done++]];
		judge_burst(worker, items, count);
	}
	worker->order = ORDER_TIMERS;
	session_stage_advance(worker, replay->end_ns);
	worker_publish(worker);
	worker_boundary(worker);
	if (replay->finishing) {
		worker->order = ORDER_END;
		worker_finish(worker);
	}
}

static void do_part(struct worker *worker, struct spread_replay *replay)
{
	judge_part(worker, replay);
	pthread_mutex_lock(&replay->lock);
	replay->places[worker->id].count = 0;
	replay->places[worker->id].busy = false;
	write_records(replay);
	pthread_cond_broadcast(&replay->changed);
	pthread_mutex_unlock(&replay->lock);
}

// Take part until the reader is done.
static int follow(struct worker *worker, struct spread_replay *replay)
{
	struct place *place = &replay->places[worker->id];

	pthread_mutex_lock(&replay->lock);
	if (place->entered) {
		pthread_mutex_unlock(&replay->lock);
		return -EBUSY;
	}
	place->entered = true;
	pthread_cond_broadcast(&replay->changed);
	while (!replay->finished && (replay->reads || !is_stopped(replay))) {
		if (!place->busy) {
			wait_for_change(replay);
			continue;
		}
		pthread_mutex_unlock(&replay->lock);
		do_part(worker, replay);
		pthread_mutex_lock(&replay->lock);
	}
	pthread_mutex_unlock(&replay->lock);
	return 0;
}

// The reader.

// Wait until all have done their part. One that is not started yet is waited for, until a stop.
static void wait_for_all(struct spread_replay *replay)
{
	for (uint32_t id = 0; id < worker_count(replay); id++) {
		struct place *place = &replay->places[id];

		while (place->busy)
			wait_for_change(replay);
	}
	write_records(replay);
}

// Have the packets judged that were read since the last time, and time pass until now.
static void judge_round(struct spread_replay *replay)
{
	struct engine *engine = replay->engine;

	pthread_mutex_lock(&replay->lock);
	replay->end_ns = engine->reader->now_ns;
	for (uint32_t id = 0; id < worker_count(replay); id++) {
		struct place *place = &replay->places[id];

		plugin_follow(engine->workers[id]);
		place->busy = place->entered || place->count > 0;
	}
	pthread_cond_broadcast(&replay->changed);
	pthread_mutex_unlock(&replay->lock);
	do_part(engine->workers[0], replay);
	pthread_mutex_lock(&replay->lock);
	wait_for_all(replay);
	pthread_mutex_unlock(&replay->lock);
}

// Whether its home holds the packet.
static bool is_kept(const struct spread_replay *replay, const struct packet *packet)
{
	return packet->verdict.disposition == STELLAR_HOLD && replay->engine->config.is_inline;
}

// Let the judged packets leave, each at its own time.
static void send_round(struct spread_replay *replay)
{
	struct worker *reader = replay->engine->reader;
	uint64_t now_ns = reader->now_ns;

	for (uint32_t i = 0; i < replay->count; i++) {
		struct item *item = &replay->items[i];

		hold_stage_send_departed(reader, item->time_ns, item->order);
		reader->now_ns = item->time_ns;
		if (item->packet.is_held)
			continue;
		if (is_kept(replay, &item->packet))
			reader->ledger.packets.held += !item->packet.is_reassembled;
		else
			stage_leave(reader, &item->packet, item->reply, item->reply_length);
		inject_stage_send(reader, item->injected);
		item->injected = NULL;
		if (i % STELLAR_BURST_MAX == STELLAR_BURST_MAX - 1)
			stage_send(reader);
	}
	hold_stage_send_departed(reader, UINT64_MAX, UINT64_MAX);
	stage_send(reader);
	reader->now_ns = now_ns;
	for (uint32_t i = 0; i < replay->count; i++) {
		const struct item *item = &replay->items[i];

		packet_io_device_release(replay->engine->interfaces[item->packet.ingress_id].device,
					 &item->frame, 1);
	}
	replay->count = 0;
	worker_publish(reader);
}

static void end_round(struct spread_replay *replay)
{
	judge_round(replay);
	send_round(replay);
}

// The figures before the packet that comes at time_ns, with what has timed out by then.
static void raise_stats(struct spread_replay *replay, uint64_t time_ns)
{
	struct worker *reader = replay->engine->reader;

	if (reader->start_ns == 0) {
		reader->start_ns = time_ns;
		reader->next_stats_ns = time_ns + STATS_PERIOD_NS;
	}
	if (time_ns < reader->next_stats_ns)
		return;
	reader->next_stats_ns = time_ns + STATS_PERIOD_NS;
	end_round(replay);
	record_stats(reader);
}

// Give the packet in hand to its home.
static void place_packet(struct spread_replay *replay, const struct packet *packet)
{
	const struct engine *engine = replay->engine;
	uint32_t home_id = spread_packet(&engine->home_secret, packet, engine->config.worker_count);
	struct place *place = &replay->places[home_id != SPREAD_NOWHERE ? home_id : 0];

	place->items[place->count++] = (uint16_t)replay->count;
}

static void read_packet(struct spread_replay *replay, const struct frame *frame,
			uint16_t ingress_id)
{
	struct worker *reader = replay->engine->reader;
	struct packet *packet = &reader->packets[0];

	if (replay->count == REPLAY_ROUND_MAX)
		end_round(replay);
	reader->order = ORDER_TIMERS;
	defragment_stage_advance(reader, frame->time_ns);
	raise_stats(replay, reader->now_ns);
	if (replay->order == 0)
		replay->start_ns = reader->now_ns;
	reader->order = ++replay->order;
	stage_decode(reader, packet, frame, ingress_id);
	stage_receive(reader, packet);
	if (!packet->is_fragment || defragment_stage(reader, 0))
		place_packet(replay, packet);
	else if (!packet->is_held)
		stage_record(reader, packet);
	struct item *item = &replay->items[replay->count++];

	item->packet = *packet;
	item->frame = *frame;
	item->time_ns = reader->now_ns;
	item->order = reader->order;
	item->reply_length = 0;
	item->injected = NULL;
	// There is room for the bytes of one datagram.
	if (packet->is_reassembled)
		end_round(replay);
}

// Frames of one interface into reader->frames; as packet_io_device_rx. At most one interface is
// there when nothing is merged.
static int receive(struct worker *reader, uint16_t *ret_ingress_id, bool *ret_all_ended)
{
	struct engine *engine = reader->engine;

	if (reader->merge != NULL)
		return merge_receive(reader, ret_ingress_id, ret_all_ended);
	*ret_all_ended = true;
	for (uint16_t id = 0; id < engine->interface_count; id++) {
		struct interface *interface = &engine->interfaces[id];

		if (!worker_receives_from(reader, interface))
			continue;
		int count = packet_io_device_rx(interface->device, reader->frames,
						engine->config.burst_size);

		*ret_ingress_id = id;
		*ret_all_ended = count == -ENODATA;
		interface->ended = count == -ENODATA || count == -EBADMSG || count == -ENETDOWN;
		return count == -ENODATA ? 0 : count;
	}
	return 0;
}

static void finish(struct spread_replay *replay)
{
	struct engine *engine = replay->engine;

	end_round(replay);
	merge_give_up(engine->reader);
	engine->reader->order = ORDER_END - 1;
	defragment_stage_finish(engine->reader);
	replay->finishing = true;
	judge_round(replay);
	send_round(replay);
	engine->reader->order = ORDER_END;
	record_stats(engine->reader);
	worker_publish(engine->reader);
	pthread_mutex_lock(&replay->lock);
	write_records(replay);
	output_flush(&engine->output);
	replay->finished = true;
	pthread_cond_broadcast(&replay->changed);
	pthread_mutex_unlock(&replay->lock);
}

static int read_all(struct spread_replay *replay)
{
	struct worker *reader = replay->engine->reader;
	int result = 0;

	pthread_mutex_lock(&replay->lock);
	if (replay->reads) {
		pthread_mutex_unlock(&replay->lock);
		return -EBUSY;
	}
	replay->reads = replay->places[0].entered = true;
	pthread_mutex_unlock(&replay->lock);
	while (!is_stopped(replay)) {
		uint16_t ingress_id = NO_INTERFACE;
		bool all_ended;
		int count = receive(reader, &ingress_id, &all_ended);

		if (count < 0)
			result = count;
		if (count == -ENETDOWN || (count >= 0 && all_ended && count == 0))
			break;
		for (int i = 0; i < count; i++)
			read_packet(replay, &reader->frames[i], ingress_id);
		if (count == 0) {
			end_round(replay);
			worker_idle(reader);
		}
	}
	finish(replay);
	return result;
}

int spread_replay_run(struct worker *worker)
{
	struct spread_replay *replay = worker->engine->replay;

	return worker->id == 0 ? read_all(replay) : follow(worker, replay);
}

void spread_replay_make_room(struct worker *worker)
{
	struct spread_replay *replay = worker->engine->replay;

	// While the reader reads nobody is busy: have its packets judged so far.
	if (worker == worker->engine->reader) {
		judge_round(replay);
		return;
	}
	pthread_mutex_lock(&replay->lock);
	write_records(replay);
	pthread_cond_broadcast(&replay->changed);
	while (output_ring_is_full(&worker->output_ring)) {
		wait_for_change(replay);
		write_records(replay);
		pthread_cond_broadcast(&replay->changed);
	}
	pthread_mutex_unlock(&replay->lock);
}
