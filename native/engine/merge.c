// SPDX-License-Identifier: Apache-2.0

// Several captures at one worker (replay). Their frames are handled in the order of their times,
// ties by interface, whatever the size of a burst: a burst of each in turn would show in the result
// (the order law). A frame waits here from the device's rx until it is the earliest; what still
// waits at the end is counted in and dropped (shutdown). Worker's thread.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker.h"

struct merge {
	uint32_t count;
	uint32_t next;
	struct frame frames[STELLAR_BURST_MAX];
};

int merge_init(struct worker *worker)
{
	const struct engine *engine = worker->engine;
	uint32_t sources = 0;

	for (uint16_t id = 0; id < engine->interface_count; id++)
		sources += worker_receives_from(worker, &engine->interfaces[id]);
	if (engine->is_live || sources < 2)
		return 0;
	worker->merge = calloc(engine->interface_count, sizeof(*worker->merge));
	return worker->merge != NULL ? 0 : -ENOMEM;
}

static bool is_empty(const struct merge *merge)
{
	return merge->next == merge->count;
}

// Have a frame of each interface that can give one. Returns 0, -EBADMSG or -ENETDOWN.
static int fill(struct worker *worker, bool *ret_all_ended)
{
	struct engine *engine = worker->engine;

	*ret_all_ended = true;
	for (uint16_t id = 0; id < engine->interface_count; id++) {
		struct interface *interface = &engine->interfaces[id];
		struct merge *merge = &worker->merge[id];

		if (is_empty(merge) && worker_receives_from(worker, interface)) {
			int count = packet_io_device_rx(interface->device, merge->frames,
							engine->config.burst_size);

			merge->next = 0;
			merge->count = count > 0 ? (uint32_t)count : 0;
			interface->ended =
				count == -ENODATA || count == -EBADMSG || count == -ENETDOWN;
			if (interface->ended && count != -ENODATA)
				return count;
		}
		*ret_all_ended &= is_empty(merge) && !worker_receives_from(worker, interface);
	}
	return 0;
}

// The interface whose frame is the earliest, but for one; NO_INTERFACE when there is none.
static uint16_t find_earliest(const struct worker *worker, uint16_t but_id)
{
	uint16_t earliest = NO_INTERFACE;
	uint64_t time_ns = 0;

	for (uint16_t id = 0; id < worker->engine->interface_count; id++) {
		const struct merge *merge = &worker->merge[id];

		if (id == but_id || is_empty(merge))
			continue;
		if (earliest == NO_INTERFACE || merge->frames[merge->next].time_ns < time_ns) {
			earliest = id;
			time_ns = merge->frames[merge->next].time_ns;
		}
	}
	return earliest;
}

// Whether a frame of interface id comes before the head of the other.
static bool is_before(const struct worker *worker, const struct frame *frame, uint16_t id,
		      uint16_t other_id)
{
	if (other_id == NO_INTERFACE)
		return true;
	const struct merge *other = &worker->merge[other_id];
	uint64_t other_ns = other->frames[other->next].time_ns;

	return frame->time_ns < other_ns || (frame->time_ns == other_ns && id < other_id);
}

int merge_receive(struct worker *worker, uint16_t *ret_interface_id, bool *ret_all_ended)
{
	int result = fill(worker, ret_all_ended);

	if (result != 0)
		return result;
	uint16_t id = find_earliest(worker, NO_INTERFACE);

	if (id == NO_INTERFACE)
		return 0;
	struct merge *merge = &worker->merge[id];
	uint16_t other_id = find_earliest(worker, id);
	int count = 0;

	do {
		worker->frames[count++] = merge->frames[merge->next++];
	} while (!is_empty(merge) && is_before(worker, &merge->frames[merge->next], id, other_id));
	*ret_interface_id = id;
	return count;
}

void merge_give_up(struct worker *worker)
{
	struct packet_stats *packets = &worker->ledger.packets;

	for (uint16_t id = 0; worker->merge != NULL && id < worker->engine->interface_count; id++) {
		struct merge *merge = &worker->merge[id];
		uint32_t left = merge->count - merge->next;

		for (uint32_t i = merge->next; i < merge->count; i++)
			packets->received_bytes += merge->frames[i].wire_length;
		packets->received += left;
		packets->dropped[STELLAR_DROPPED_SHUTDOWN] += left;
		packet_io_device_release(worker->engine->interfaces[id].device,
					 &merge->frames[merge->next], left);
		merge->next = merge->count;
	}
}
