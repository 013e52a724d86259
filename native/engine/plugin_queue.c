// SPDX-License-Identifier: Apache-2.0

// Events that callbacks cause. They wait until the event in hand has been delivered to all, then go
// out in the order they were raised, for at most EVENT_ROUNDS_MAX rounds: a plugin that answers
// each of its own events with another can't hold the worker. Worker's thread.

#include <errno.h>
#include <string.h>

#include "engine/plugin_wave.h"

// The queue's own copy of bytes that may be gone when the event is delivered.
static void copy_bytes(struct event_queue *queue, struct queued_event *entry, const void *bytes,
		       size_t length)
{
	uint8_t *copy = queue->copies[entry - queue->events];

	if (length > 0)
		memcpy(copy, bytes, length);
	entry->event.data = copy;
	entry->event.data_length = (uint32_t)length;
}

int plugin_queue_for(struct worker *worker, uint32_t index, const struct event *event,
		     const char *key)
{
	struct event_queue *queue = &worker->queue;

	if (plugin_wave_is_calling(worker))
		return plugin_wave_count(worker, event);
	if (queue->count == EVENT_QUEUE_MAX) {
		worker->ledger.events_overflowed++;
		return -ENOSPC;
	}
	struct queued_event *entry = &queue->events[queue->count++];

	entry->event = *event;
	entry->index = index;
	if (key != NULL)
		copy_bytes(queue, entry, key, strnlen(key, METADATA_KEY_SIZE - 1));
	else if (event->type == STELLAR_EVENT_DERIVED)
		copy_bytes(queue, entry, event->data, event->data_length);
	return 0;
}

struct event *plugin_queue_own(struct worker *worker)
{
	struct event_queue *queue = &worker->queue;

	if (queue->count == EVENT_QUEUE_MAX) {
		worker->ledger.events_overflowed++;
		return NULL;
	}
	struct queued_event *entry = &queue->events[queue->count++];

	memset(&entry->event, 0, sizeof(entry->event));
	entry->index = worker->current.index;
	return &entry->event;
}

void plugin_queue(struct worker *worker, const struct event *event, const char *key)
{
	plugin_queue_for(worker, worker->current.index, event, key);
}

// To the plugins of the session it belongs to, which a callback of another one may have raised it
// for. There no packet is in hand.
static void deliver_queued(struct worker *worker, const struct queued_event *entry)
{
	struct event event = entry->event;
	struct session other;
	struct session *session = session_in_hand(worker, entry->index);

	if (session == NULL) {
		session_view(worker, entry->index, &other);
		session = &other;
	}
	if ((session->hot->flags & SESSION_BYPASSED) == 0)
		plugin_deliver(worker, session, &event);
}

void plugin_drain(struct worker *worker, struct session *session, uint32_t first)
{
	struct event_queue *queue = &worker->queue;
	uint32_t next = first;
	struct session *outer = worker->drained;
	uint32_t round_end = queue->count;

	worker->drained = session;
	for (uint32_t round = 0; round <= EVENT_ROUNDS_MAX && next < round_end; round++) {
		while (next < round_end)
			deliver_queued(worker, &queue->events[next++]);
		round_end = queue->count;
	}
	worker->drained = outer;
	worker->ledger.events_overflowed += queue->count - next;
	queue->count = first;
}
