// SPDX-License-Identifier: Apache-2.0

// Slots and rings between workers; see handoff.h.

#include "engine/handoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/inject_stage.h"

#define NO_SLOT UINT32_MAX

static uint32_t round_up_to_power_of_two(uint32_t count)
{
	uint32_t size = 1;

	while (size < count)
		size *= 2;
	return size;
}

static int create_rings(struct handoff *handoff)
{
	uint32_t size = round_up_to_power_of_two(handoff->slot_count);
	size_t count = handoff->worker_count;
	size_t ring_bytes = count * sizeof(struct handoff_ring);

	handoff->out = aligned_alloc(64, ring_bytes);
	handoff->back = aligned_alloc(64, ring_bytes);
	handoff->ring_memory = calloc(2 * count * size, sizeof(*handoff->ring_memory));
	if (handoff->out == NULL || handoff->back == NULL || handoff->ring_memory == NULL)
		return -ENOMEM;
	memset(handoff->out, 0, ring_bytes);
	memset(handoff->back, 0, ring_bytes);
	for (size_t i = 0; i < count; i++) {
		handoff->out[i].slot_ids = &handoff->ring_memory[2 * i * size];
		handoff->back[i].slot_ids = &handoff->ring_memory[(2 * i + 1) * size];
		handoff->out[i].mask = handoff->back[i].mask = size - 1;
	}
	return 0;
}

static int create_slots(struct handoff *handoff)
{
	handoff->slots = calloc(handoff->slot_count, sizeof(*handoff->slots));
	if (handoff->slots == NULL)
		return -ENOMEM;
	handoff->bytes_size = (size_t)handoff->slot_count * HANDOFF_FRAME_MAX;
	void *bytes = mmap(NULL, handoff->bytes_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (bytes == MAP_FAILED)
		return -ENOMEM;
	handoff->bytes = bytes;
	for (uint32_t id = 0; id < handoff->slot_count; id++)
		handoff->slots[id].next_id = id + 1 < handoff->slot_count ? id + 1 : NO_SLOT;
	return 0;
}

int handoff_create(uint32_t worker_count, uint32_t slot_count, struct handoff **ret_handoff)
{
	if (slot_count < 1 || slot_count > HANDOFF_SLOTS_MAX || worker_count < 1 ||
	    worker_count > STELLAR_WORKERS_MAX)
		return -EINVAL;
	struct handoff *handoff = aligned_alloc(64, sizeof(*handoff));

	if (handoff == NULL)
		return -ENOMEM;
	memset(handoff, 0, sizeof(*handoff));
	handoff->worker_count = worker_count;
	handoff->slot_count = slot_count;
	handoff->share = worker_count > 2 ? (slot_count + 1) / 2 : slot_count;
	if (create_rings(handoff) != 0 || create_slots(handoff) != 0) {
		handoff_destroy(handoff);
		return -ENOMEM;
	}
	*ret_handoff = handoff;
	return 0;
}

void handoff_destroy(struct handoff *handoff)
{
	if (handoff == NULL)
		return;
	for (uint32_t id = 0; handoff->slots != NULL && id < handoff->slot_count; id++)
		injection_free_all(handoff->slots[id].injected);
	if (handoff->bytes != NULL)
		munmap(handoff->bytes, handoff->bytes_size);
	free(handoff->slots);
	free(handoff->out);
	free(handoff->back);
	free(handoff->ring_memory);
	free(handoff);
}

// Never called on a full ring: it has room for all slots there are.
static void ring_write(struct handoff_ring *ring, uint32_t slot_id)
{
	uint32_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);

	ring->slot_ids[written & ring->mask] = slot_id;
	atomic_store_explicit(&ring->written, written + 1, memory_order_release);
}

static size_t ring_read(struct handoff_ring *ring, struct handoff_slot *slots,
			struct handoff_slot **ret_slots, size_t count)
{
	uint32_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
	size_t done = 0;

	if (ring->written_seen == read)
		ring->written_seen = atomic_load_explicit(&ring->written, memory_order_acquire);
	while (done < count && read != ring->written_seen)
		ret_slots[done++] = &slots[ring->slot_ids[read++ & ring->mask]];
	if (done > 0)
		atomic_store_explicit(&ring->read, read, memory_order_release);
	return done;
}

struct handoff_slot *handoff_take(struct handoff *handoff, uint32_t home_id, uint8_t **ret_room)
{
	uint32_t id = handoff->free_id;

	if (id == NO_SLOT || handoff->away_at[home_id] >= handoff->share)
		return NULL;
	struct handoff_slot *slot = &handoff->slots[id];

	handoff->free_id = slot->next_id;
	slot->home_id = (uint16_t)home_id;
	slot->reply_length = 0;
	slot->frame_count = 1;
	slot->is_empty = false;
	slot->injected = NULL;
	*ret_room = handoff->bytes + (size_t)id * HANDOFF_FRAME_MAX;
	return slot;
}

static uint32_t slot_id(const struct handoff *handoff, const struct handoff_slot *slot)
{
	return (uint32_t)(slot - handoff->slots);
}

void handoff_give(struct handoff *handoff, struct handoff_slot *slot)
{
	handoff->away++;
	handoff->away_frames += slot->frame_count;
	handoff->away_at[slot->home_id]++;
	ring_write(&handoff->out[slot->home_id], slot_id(handoff, slot));
}

static void count_back(struct handoff *handoff, uint32_t home_id, struct handoff_slot **slots,
		       size_t count)
{
	for (size_t i = 0; i < count; i++)
		handoff->away_frames -= slots[i]->frame_count;
	handoff->away -= (uint32_t)count;
	handoff->away_at[home_id] -= (uint32_t)count;
}

size_t handoff_collect(struct handoff *handoff, uint32_t home_id, struct handoff_slot **ret_slots,
		       size_t count)
{
	size_t done = ring_read(&handoff->back[home_id], handoff->slots, ret_slots, count);

	count_back(handoff, home_id, ret_slots, done);
	return done;
}

size_t handoff_reclaim(struct handoff *handoff, uint32_t home_id, struct handoff_slot **ret_slots,
		       size_t count)
{
	size_t done = ring_read(&handoff->out[home_id], handoff->slots, ret_slots, count);

	count_back(handoff, home_id, ret_slots, done);
	return done;
}

void handoff_put(struct handoff *handoff, struct handoff_slot *slot)
{
	slot->next_id = handoff->free_id;
	handoff->free_id = slot_id(handoff, slot);
}

size_t handoff_receive(struct handoff *receiver, uint32_t home_id, struct handoff_slot **ret_slots,
		       size_t count)
{
	return ring_read(&receiver->out[home_id], receiver->slots, ret_slots, count);
}

// Asked by the ring's consumer.
static bool ring_has_some(const struct handoff_ring *ring)
{
	return atomic_load_explicit(&ring->written, memory_order_acquire) !=
	       atomic_load_explicit(&ring->read, memory_order_relaxed);
}

bool handoff_has_returned(const struct handoff *handoff, uint32_t home_id)
{
	return ring_has_some(&handoff->back[home_id]);
}

bool handoff_has_waiting(const struct handoff *receiver, uint32_t home_id)
{
	return ring_has_some(&receiver->out[home_id]);
}

void handoff_return(struct handoff *receiver, struct handoff_slot *slot)
{
	ring_write(&receiver->back[slot->home_id], slot_id(receiver, slot));
}

void handoff_end(struct handoff *home)
{
	atomic_store_explicit(&home->ended, true, memory_order_release);
}

bool handoff_has_ended(const struct handoff *home)
{
	return atomic_load_explicit(&home->ended, memory_order_acquire);
}
