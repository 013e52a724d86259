// SPDX-License-Identifier: Apache-2.0

// memory:NAME. Two rings of fixed slots, one each way. A slot has a state of its own, so that lent
// frames may come back in any order: the ring is full when the slot in turn isn't free. Each ring
// has one thread at each end (push/rx, tx/pop), which keeps its index to itself; the state is the
// only thing they share. NAME is a label. Slots are touched only as far as frames are long.

#include "packet_io/device.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINKTYPE_ETHERNET 1
#define FRAMES_DEFAULT 1024u
#define FRAMES_MAX 65536u
#define SLOT_SIZE 65600u // bytes: the longest IP packet, its link layer, rounded to a cache line

enum slot_state {
	SLOT_FREE,
	SLOT_FULL,
	SLOT_LENT,
};

struct slot {
	_Atomic uint32_t state;
	uint32_t length;
	uint32_t wire_length;
	uint16_t link_type;
	uint64_t time_ns;
};

struct memory_ring {
	struct slot *slots;
	uint8_t *bytes; // count slots of SLOT_SIZE
	size_t count;
	_Alignas(64) size_t write_id; // the writing end's
	_Alignas(64) size_t read_id; // the reading end's
};

struct memory_device {
	struct packet_io_device base;
	struct memory_ring rx;
	struct memory_ring tx;
};

static int ring_init(struct memory_ring *ring, size_t count)
{
	ring->count = count;
	ring->slots = calloc(count, sizeof(ring->slots[0]));
	if (ring->slots == NULL)
		return -ENOMEM;
	void *bytes = mmap(NULL, count * SLOT_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	ring->bytes = bytes;
	return 0;
}

static void ring_fini(struct memory_ring *ring)
{
	if (ring->bytes != NULL)
		munmap(ring->bytes, ring->count * SLOT_SIZE);
	free(ring->slots);
}

// Returns 0, or -ENOBUFS when the slot in turn isn't free.
static int ring_write(struct memory_ring *ring, const struct frame *frame)
{
	struct slot *slot = &ring->slots[ring->write_id];
	if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FREE)
		return -ENOBUFS;
	slot->length = frame->length;
	slot->wire_length = frame->wire_length > frame->length ? frame->wire_length : frame->length;
	slot->link_type = frame->link_type;
	slot->time_ns = frame->time_ns;
	memcpy(ring->bytes + ring->write_id * SLOT_SIZE, frame->data, frame->length);
	atomic_store_explicit(&slot->state, SLOT_FULL, memory_order_release);
	ring->write_id = ring->write_id + 1 < ring->count ? ring->write_id + 1 : 0;
	return 0;
}

// Lend the frame in turn. Returns whether there is one.
static bool ring_read(struct memory_ring *ring, struct frame *ret_frame)
{
	struct slot *slot = &ring->slots[ring->read_id];
	if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FULL)
		return false;
	atomic_store_explicit(&slot->state, SLOT_LENT, memory_order_relaxed);
	*ret_frame = (struct frame){
		.data = ring->bytes + ring->read_id * SLOT_SIZE,
		.length = slot->length,
		.wire_length = slot->wire_length,
		.time_ns = slot->time_ns,
		.cookie = ring->read_id,
		.link_type = slot->link_type,
	};
	ring->read_id = ring->read_id + 1 < ring->count ? ring->read_id + 1 : 0;
	return true;
}

static void ring_free(struct memory_ring *ring, const struct frame *frame)
{
	atomic_store_explicit(&ring->slots[frame->cookie].state, SLOT_FREE, memory_order_release);
}

static void memory_close(struct packet_io_device *base)
{
	struct memory_device *device = (struct memory_device *)base;
	ring_fini(&device->rx);
	ring_fini(&device->tx);
	free(device);
}

static int memory_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	struct memory_device *device = (struct memory_device *)base;
	size_t done = 0;
	while (done < count && ring_read(&device->rx, &ret_frames[done]))
		done++;
	return (int)done;
}

static void memory_release(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	struct memory_device *device = (struct memory_device *)base;
	for (size_t i = 0; i < count; i++)
		ring_free(&device->rx, &frames[i]);
}

static int memory_tx(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	struct memory_device *device = (struct memory_device *)base;
	for (size_t i = 0; i < count; i++) {
		if (frames[i].length > SLOT_SIZE) {
			snprintf(base->error, sizeof(base->error),
				 "memory: expected a frame of at most %u bytes, found %u",
				 SLOT_SIZE, frames[i].length);
			return i > 0 ? (int)i : -EMSGSIZE;
		}
		if (ring_write(&device->tx, &frames[i]) < 0)
			return (int)i;
	}
	return (int)count;
}

static int memory_open(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
		       char *error, size_t error_size)
{
	uint32_t frame_count;
	bool live;
	int rc = packet_io_uri_get_number(uri, "frames", FRAMES_DEFAULT, 1, FRAMES_MAX,
					  &frame_count, error, error_size);
	if (rc < 0)
		return rc;
	rc = packet_io_uri_get_flag(uri, "live", false, &live, error, error_size);
	if (rc < 0)
		return rc;

	// Cache-line members: calloc doesn't align to 64.
	struct memory_device *device = aligned_alloc(64, sizeof(*device));
	if (device == NULL)
		return -ENOMEM;
	*device = (struct memory_device){
		.base =
			{
				.ops = &packet_io_memory_ops,
				.frame_max = SLOT_SIZE,
				.fd = -1,
				.live = live,
			},
	};
	rc = ring_init(&device->rx, frame_count);
	if (rc == 0)
		rc = ring_init(&device->tx, frame_count);
	if (rc < 0) {
		snprintf(error, error_size, "memory:%s: no memory for %u frames", uri->target,
			 frame_count);
		memory_close(&device->base);
		return rc;
	}
	*ret_device = &device->base;
	return 0;
}

int packet_io_memory_push(struct packet_io_device *device, const uint8_t *data, size_t length,
			  uint64_t time_ns)
{
	if (device->ops != &packet_io_memory_ops)
		return -EINVAL;
	if (length > SLOT_SIZE)
		return -EMSGSIZE;
	// ring_write only reads the frame's bytes.
	const struct frame frame = {
		.data = (uint8_t *)data,
		.length = (uint32_t)length,
		.time_ns = time_ns,
		.link_type = LINKTYPE_ETHERNET,
	};
	return ring_write(&((struct memory_device *)device)->rx, &frame);
}

int packet_io_memory_pop(struct packet_io_device *device, uint8_t *ret_data, size_t size)
{
	if (device->ops != &packet_io_memory_ops)
		return -EINVAL;
	struct memory_ring *ring = &((struct memory_device *)device)->tx;
	struct frame frame;
	if (!ring_read(ring, &frame))
		return 0;
	memcpy(ret_data, frame.data, frame.length < size ? frame.length : size);
	ring_free(ring, &frame);
	return (int)frame.length;
}

static const char *const memory_options[] = {"frames", "live", NULL};

const struct packet_io_ops packet_io_memory_ops = {
	.name = "memory",
	.options = memory_options,
	.open = memory_open,
	.close = memory_close,
	.rx = memory_rx,
	.release = memory_release,
	.tx = memory_tx,
};
