// SPDX-License-Identifier: Apache-2.0

// The worker's side of recording; see recorder.h. Worker's thread, but for the reading of figures.

#include <string.h>

#include "engine/recorder.h"
#include "engine/recording_replay.h"
#include "engine/worker.h"

static size_t whole(size_t length)
{
	return (sizeof(struct recording_block_header) + length + 7u) & ~(size_t)7;
}

static void add(_Atomic uint64_t *figure, uint64_t amount)
{
	// One thread writes each.
	atomic_store_explicit(figure, atomic_load_explicit(figure, memory_order_relaxed) + amount,
			      memory_order_relaxed);
}

uint32_t recording_witness(const struct worker *worker)
{
	const struct packet_stats *packets = &worker->ledger.packets;
	uint64_t witness = worker->table->serial;

	witness = witness * 31 + packets->forwarded;
	witness = witness * 31 + packets->generated;
	witness = witness * 31 + packets->held;
	witness = witness * 31 + worker->ledger.sessions.active;
	return (uint32_t)(witness ^ witness >> 32);
}

// Room for a block of a worker, or NULL. Commit it.
static void *reserve(struct worker *worker, size_t length)
{
	struct recording_writer *writer = worker->recorder;
	uint64_t size = recorder_segment_size(writer->recorder);

	if (writer->segment.bytes == NULL)
		return NULL;
	if (writer->segment.used + whole(length) > size) {
		writer->segment.end_ns = worker->now_ns;
		if (sizeof(struct recording_segment_header) + whole(length) > size) {
			recorder_give_up(writer->recorder, "a burst is longer than a segment");
			writer->segment.bytes = NULL;
		} else if (recorder_next_segment(writer)) {
			struct recording_segment_header *header = (void *)writer->segment.bytes;

			recorder_fill_header(worker, header);
			writer->segment.used = sizeof(*header);
			writer->block_number = 0;
		}
	}
	return writer->segment.bytes != NULL ? writer->segment.bytes + writer->segment.used +
						       sizeof(struct recording_block_header)
					     : NULL;
}

static void commit(struct worker *worker, uint32_t type, size_t length)
{
	struct recording_writer *writer = worker->recorder;
	struct recording_block_header *header =
		(void *)(writer->segment.bytes + writer->segment.used);
	struct recording_block_header filled = {
		.length = (uint32_t)length,
		.number = writer->block_number++,
		.type = type,
	};

	header->checksum = recording_checksum(&filled, header + 1);
	header->length = filled.length;
	header->number = filled.number;
	__atomic_store_n(&header->type, type, __ATOMIC_RELEASE);
	writer->segment.used += whole(length);
	add(&writer->bytes, whole(length));
	atomic_store_explicit(&writer->time_ns, worker->now_ns, memory_order_relaxed);
}

static void put(struct worker *worker, uint32_t type, const void *bytes, size_t length)
{
	void *room = reserve(worker, length);

	if (room == NULL)
		return;
	memcpy(room, bytes, length);
	commit(worker, type, length);
}

static void write_burst(struct worker *worker, uint8_t *room, const struct recording_burst *burst)
{
	memcpy(room, burst, sizeof(*burst));
	uint8_t *head = room + sizeof(*burst);
	uint8_t *bytes = head + burst->count * sizeof(struct recording_frame);

	for (uint16_t i = 0; i < burst->count; i++) {
		const struct frame *frame = &worker->frames[i];
		const struct recording_frame filled = {
			.time_ns = frame->time_ns,
			.length = frame->length,
			.wire_length = frame->wire_length,
			.link_type = frame->link_type,
		};

		memcpy(head, &filled, sizeof(filled));
		head += sizeof(filled);
		memcpy(bytes, frame->data, frame->length);
		bytes += frame->length;
	}
}

void recorder_burst(struct worker *worker, uint16_t ingress_id, size_t count, uint64_t clock_ns)
{
	struct recording_writer *writer = worker->recorder;

	if (writer == NULL)
		return;
	const struct recording_burst burst = {
		.clock_ns = clock_ns,
		.ingress_id = ingress_id,
		.count = (uint16_t)count,
		.witness = recording_witness(worker),
	};
	size_t length = sizeof(burst) + count * sizeof(struct recording_frame);

	for (size_t i = 0; i < count; i++)
		length += worker->frames[i].length;
	writer->tx_calls = 0;
	uint8_t *room = reserve(worker, length);

	if (room == NULL) {
		add(&writer->lost, 1);
		return;
	}
	write_burst(worker, room, &burst);
	commit(worker, RECORDING_BURST, length);
	add(&writer->bursts, 1);
	add(&writer->packets, count);
}

void recorder_clock(struct worker *worker, uint64_t clock_ns, bool is_idle)
{
	const struct recording_clock clock = {.clock_ns = clock_ns, .is_idle = is_idle};

	if (worker->recorder == NULL)
		return;
	worker->recorder->tx_calls = 0;
	put(worker, RECORDING_CLOCK, &clock, sizeof(clock));
}

void recorder_policy(struct worker *worker, uint32_t generation)
{
	const struct recording_policy policy = {.generation = generation};

	if (worker->recorder != NULL)
		put(worker, RECORDING_POLICY, &policy, sizeof(policy));
}

void recorder_plugin(struct worker *worker, uint16_t plugin_id)
{
	struct recording_writer *writer = worker->recorder;

	if (writer == NULL)
		return;
	const struct recording_plugin plugin = {
		.plugin_id = plugin_id,
		.version = ++writer->plugin_versions[plugin_id],
	};

	put(worker, RECORDING_PLUGIN, &plugin, sizeof(plugin));
}

void recorder_disabled(struct worker *worker)
{
	const struct recording_disabled disabled = {
		.disabled = worker->disabled,
		.failed_closed = worker->failed_closed,
	};

	if (worker->recorder != NULL)
		put(worker, RECORDING_DISABLED, &disabled, sizeof(disabled));
}

void recorder_finish(struct worker *worker)
{
	const struct recording_finish finish = {
		.hand_over = atomic_load(&worker->engine->hand_over),
	};

	if (worker->recorder == NULL)
		return;
	worker->recorder->tx_calls = 0;
	put(worker, RECORDING_FINISH, &finish, sizeof(finish));
}

int recorder_tx(struct worker *worker, uint16_t interface_id, const struct frame *frames,
		uint32_t count)
{
	struct packet_io_device *device = worker->engine->interfaces[interface_id].device;
	struct recording_writer *writer = worker->recorder;

	if (worker->engine->recorded != NULL)
		return recording_replay_tx(worker, interface_id, count);
	int result = packet_io_device_tx(device, frames, count);

	if (writer == NULL)
		return result;
	if (result != (int)count) {
		const struct recording_tx tx = {
			.call = writer->tx_calls,
			.result = result,
			.interface_id = interface_id,
		};

		put(worker, RECORDING_TX, &tx, sizeof(tx));
	}
	writer->tx_calls++;
	return result;
}
