// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE // memfd_create

#include "engine/observer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "engine/worker.h"

// Events of one plugin alone.
#define PRIVATE_EVENTS \
	(STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_SUSPENDED))

#define WAIT_NS 200000 // replay: until an observer has made room

_Static_assert(sizeof(struct observer_record) == 192, "what observers read");

static size_t ring_size(uint32_t capacity)
{
	return sizeof(struct observer_ring) + capacity * sizeof(struct observer_record);
}

// Whether there is room. The observer's position may be anything: only one that lies within the
// ring is believed.
static bool has_room(const struct observer_output *output)
{
	uint64_t tail = __atomic_load_n(&output->ring->tail, __ATOMIC_ACQUIRE);

	return output->head - tail < output->capacity;
}

// Replay is in no hurry. An observer that has died lets go of its end: then nobody reads any more,
// and what is left is lost.
static bool wait_for_room(const struct worker *worker, const struct observer_output *output)
{
	const struct timespec pause = {.tv_nsec = WAIT_NS};

	while (!has_room(output)) {
		if (worker->engine->is_live || atomic_load(&worker->engine->stop) ||
		    __atomic_load_n(&output->ring->ended, __ATOMIC_RELAXED) != 0)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static void fill(const struct worker *worker, const struct session *session,
		 const struct event *event, struct observer_record *ret_record)
{
	struct session_record record;
	uint32_t copied = event->data_length < STELLAR_OBSERVER_DATA_SIZE
				  ? event->data_length
				  : STELLAR_OBSERVER_DATA_SIZE;

	session_record_fill(session, &record);
	*ret_record = (struct observer_record){
		.time_ns = event->time_ns,
		.session_id = record.id,
		.parent_id = record.parent_id,
		.start_ns = record.start_ns,
		.last_ns = record.last_ns,
		.packets = {record.packets[0], record.packets[1]},
		.bytes = {record.bytes[0], record.bytes[1]},
		.originator_port = record.originator.port,
		.responder_port = record.responder.port,
		.ingress_id = record.ingress_id,
		.egress_id = record.egress_id,
		.tag = record.tag,
		.generation = record.generation,
		.rule_id = record.rule_id,
		.data_length = event->data_length,
		.worker_id = (uint16_t)worker->id,
		.derived_id = (uint16_t)event->derived_id,
		.event = event->type,
		.direction = event->direction,
		.reason = event->reason,
		.protocol = record.protocol,
		.ip_version = record.originator.address.version,
		.state = record.state,
		.tcp_state = record.tcp_state,
		.is_blocked = record.blocked,
	};
	memcpy(ret_record->originator, record.originator.address.bytes, 16);
	memcpy(ret_record->responder, record.responder.address.bytes, 16);
	if (event->data != NULL)
		memcpy(ret_record->data, event->data, copied);
}

void observer_write(struct worker *worker, const struct session *session, const struct event *event)
{
	struct observers *observers = &worker->observers;

	for (size_t i = 0; i < STELLAR_OBSERVERS_MAX; i++) {
		struct observer_output *output = &observers->outputs[i];

		if (output->ring == NULL || (output->events & STELLAR_EVENT_BIT(event->type)) == 0)
			continue;
		if (!wait_for_room(worker, output)) {
			atomic_fetch_add_explicit(&observers->lost, 1, memory_order_relaxed);
			__atomic_fetch_add(&output->ring->lost, 1, __ATOMIC_RELAXED);
			continue;
		}
		fill(worker, session, event,
		     &output->records[output->head & (output->capacity - 1)]);
		output->head++;
		__atomic_store_n(&output->ring->head, output->head, __ATOMIC_RELEASE);
	}
}

static void end_output(struct observer_output *output)
{
	if (output->ring == NULL)
		return;
	__atomic_store_n(&output->ring->ended, 1, __ATOMIC_RELEASE);
	munmap(output->ring, ring_size(output->capacity));
	*output = (struct observer_output){0};
}

static void sum_events(struct observers *observers)
{
	observers->events = 0;
	for (size_t i = 0; i < STELLAR_OBSERVERS_MAX; i++)
		observers->events |= observers->outputs[i].events;
}

void observers_end(struct observers *observers)
{
	for (size_t i = 0; i < STELLAR_OBSERVERS_MAX; i++)
		end_output(&observers->outputs[i]);
	sum_events(observers);
}

struct observer_change {
	size_t id;
	struct observer_output outputs[STELLAR_WORKERS_MAX]; // all zero: the observer ends
};

static void change_output(struct worker *worker, void *argument)
{
	const struct observer_change *change = argument;
	struct observer_output *output = &worker->observers.outputs[change->id];

	end_output(output);
	*output = change->outputs[worker->id];
	sum_events(&worker->observers);
}

// Between two bursts of the worker, or here when it does not run.
static int change_worker(struct worker *worker, struct observer_change *change)
{
	struct worker_command command = {.run = change_output, .argument = change};

	pthread_mutex_lock(&worker->border);
	bool runs = atomic_load_explicit(&worker->running, memory_order_relaxed);

	if (!runs)
		change_output(worker, change);
	pthread_mutex_unlock(&worker->border);
	return runs ? worker_call(worker, &command) : 0;
}

static int create_ring(uint64_t events, uint32_t capacity, struct observer_output *ret_output,
		       int *ret_fd)
{
	int fd = memfd_create("stellar-observer", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	// An observer that made it shorter would end the engine.
	void *memory = MAP_FAILED;

	if (ftruncate(fd, (off_t)ring_size(capacity)) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		memory = mmap(NULL, ring_size(capacity), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	struct observer_ring *ring = memory;

	memcpy(ring->magic, STELLAR_OBSERVER_MAGIC, sizeof(ring->magic));
	ring->record_size = sizeof(struct observer_record);
	ring->capacity = capacity;
	ring->events = events;
	*ret_output = (struct observer_output){
		.ring = ring,
		.records = (struct observer_record *)(ring + 1),
		.events = events,
		.capacity = capacity,
	};
	*ret_fd = fd;
	return 0;
}

static int check(const struct engine *engine, uint64_t events, uint32_t capacity)
{
	if (!engine->started)
		return -EBUSY;
	if (events == 0 || (events & PRIVATE_EVENTS) != 0 || capacity == 0 ||
	    capacity > STELLAR_OBSERVER_CAPACITY_MAX || (capacity & (capacity - 1)) != 0)
		return -EINVAL;
	for (uint32_t event = 0; event < 64; event++) {
		if ((events & STELLAR_EVENT_BIT(event)) != 0 && !stellar_event_is_raised(event))
			return -EINVAL;
	}
	return 0;
}

static void give_up(struct observer_change *change, int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		end_output(&change->outputs[i]);
		close(fds[i]);
	}
}

int engine_add_observer(struct engine *engine, uint64_t events, uint32_t capacity, int *ret_fds)
{
	struct observer_change change = {.id = 0};
	int result = check(engine, events, capacity);

	if (result != 0)
		return result;
	while (change.id < STELLAR_OBSERVERS_MAX && engine->has_observer[change.id])
		change.id++;
	if (change.id == STELLAR_OBSERVERS_MAX)
		return -ENOSPC;
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		result = create_ring(events, capacity, &change.outputs[i], &ret_fds[i]);
		if (result != 0) {
			give_up(&change, ret_fds, i);
			return result;
		}
	}
	engine->has_observer[change.id] = true;
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		result = change_worker(engine->workers[i], &change);
		if (result == 0)
			continue;
		// Those that follow never had it; those before end it.
		for (uint32_t other = i; other < engine->config.worker_count; other++) {
			end_output(&change.outputs[other]);
			close(ret_fds[other]);
		}
		for (uint32_t other = 0; other < i; other++)
			close(ret_fds[other]);
		engine_remove_observer(engine, (int)change.id);
		return result;
	}
	return (int)change.id;
}

int engine_remove_observer(struct engine *engine, int observer_id)
{
	struct observer_change change = {.id = (size_t)observer_id};
	int result = 0;

	if (observer_id < 0 || observer_id >= STELLAR_OBSERVERS_MAX ||
	    !engine->has_observer[observer_id])
		return -ENOENT;
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		struct worker *worker = engine->workers[i];
		struct observer_ring *ring = worker->observers.outputs[observer_id].ring;

		// One that waits for room waits no more.
		if (ring != NULL)
			__atomic_store_n(&ring->ended, 1, __ATOMIC_RELEASE);
		int changed = change_worker(worker, &change);

		result = result != 0 ? result : changed;
	}
	// One that is stuck keeps its ring: the place is not given to another.
	if (result == 0)
		engine->has_observer[observer_id] = false;
	return result;
}

uint64_t engine_get_observer_lost(const struct engine *engine)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; engine->workers != NULL && i < engine->config.worker_count; i++)
		lost += atomic_load(&engine->workers[i]->observers.lost);
	return lost;
}
