// SPDX-License-Identifier: Apache-2.0

// Any bytes as the segments of a recording. The parser: what it gives lies within the bytes, the
// end or the fault comes and stays. A replay of them: packets are conserved, whatever they say.
//
// Input: a byte of switches; the rest is cut into segments. Checksums are put right (unless a
// switch says no), so that what is behind them is reached.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/recording.h"

#define SEGMENTS_MAX 3u

enum {
	SWITCH_SEGMENTS = 0x03,
	SWITCH_RAW = 0x04, // leave headers and checksums as they are
	SWITCH_INLINE = 0x08,
	SWITCH_UNTIL = 0x10,
	SWITCH_MIDDLE = 0x20, // the first segment is not the run's
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void repair(uint8_t *bytes, size_t size, uint64_t sequence)
{
	struct recording_segment_header header;

	if (size < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	memcpy(header.magic, RECORDING_MAGIC, sizeof(header.magic));
	header.format = RECORDING_FORMAT;
	header.abi_version = STELLAR_ABI_VERSION;
	header.header_size = sizeof(header);
	header.run = 1;
	header.sequence = sequence;
	header.worker_id = 0;
	header.worker_count = 1;
	header.policy_generation = 0;
	header.checksum = recording_header_checksum(&header);
	memcpy(bytes, &header, sizeof(header));
	size_t at = sizeof(header);

	for (uint32_t number = 0;; number++) {
		struct recording_block_header block;

		if (size - at < sizeof(block))
			return;
		memcpy(&block, bytes + at, sizeof(block));
		block.type %= RECORDING_TYPE_COUNT;
		block.length &= 0x3ff;
		block.number = number;
		size_t whole = (sizeof(block) + block.length + 7u) & ~(size_t)7;

		if (whole > size - at)
			return;
		block.checksum = recording_checksum(&block, bytes + at + sizeof(block));
		memcpy(bytes + at, &block, sizeof(block));
		at += whole;
	}
}

static void parse(uint8_t *bytes, size_t size)
{
	struct recording_reader reader;
	struct recording_block block;
	char error[160];
	int result = recording_reader_init(&reader, bytes, size, error, sizeof(error));

	if (result != 0)
		return;
	while ((result = recording_reader_next(&reader, &block, error, sizeof(error))) > 0) {
		require(block.type > RECORDING_NOTHING && block.type < RECORDING_TYPE_COUNT);
		if (block.type != RECORDING_BURST)
			continue;
		require(block.burst.count >= 1 && block.burst.count <= STELLAR_BURST_MAX);
		for (uint16_t i = 0; i < block.burst.count; i++) {
			const struct frame *frame = &block.frames[i];
			size_t offset = (size_t)(frame->data - bytes);

			require(offset <= size && frame->length <= size - offset);
			require(frame->length <= frame->wire_length);
			require(frame->length <= RECORDING_FRAME_MAX);
		}
	}
	require(recording_reader_next(&reader, &block, error, sizeof(error)) == result);
}

static void write_segment(const char *directory, uint64_t sequence, const uint8_t *bytes,
			  size_t size)
{
	char name[RECORDING_NAME_MAX];
	char path[128];

	recording_segment_name(name, 0, sequence);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

static void remove_segments(const char *directory)
{
	for (uint64_t sequence = 0; sequence < SEGMENTS_MAX + 2; sequence++) {
		char name[RECORDING_NAME_MAX];
		char path[128];

		recording_segment_name(name, 0, sequence);
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		unlink(path);
	}
}

static void replay(const char *directory, uint8_t switches)
{
	struct engine_config config;
	struct engine *engine;
	char error[256];
	struct replay_position position;
	struct packet_stats stats;
	const struct replay_until until = {.text_count = 1, .texts = {"\"event_type\":\"drop\""}};

	engine_config_init(&config);
	config.session_capacity = 64;
	config.is_inline = (switches & SWITCH_INLINE) != 0;
	config.hash_seed[0] = 1;
	require(engine_create(&config, &engine, error, sizeof(error)) == 0);
	for (int i = 0; i < 2; i++)
		require(engine_add_interface(engine, i == 0 ? "a" : "b", "recorded:x", error,
					     sizeof(error)) == i);
	require(engine_add_wire(engine, 0, 1, true, error, sizeof(error)) == 0);
	require(engine_set_event_output(engine, "/dev/null", UINT32_MAX, error, sizeof(error)) ==
		0);
	require(engine_start(engine, error, sizeof(error)) == 0);
	if (engine_replay(engine, directory, (switches & SWITCH_UNTIL) != 0 ? &until : NULL,
			  &position, error, sizeof(error)) == 0) {
		engine_get_packet_stats(engine, &stats);
		require(packet_stats_imbalance(&stats) == 0);
	}
	engine_destroy(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char directory[64];

	if (directory[0] == '\0') {
		snprintf(directory, sizeof(directory), "/dev/shm/stellar-fuzz-XXXXXX");
		require(mkdtemp(directory) != NULL);
	}
	if (size < 1)
		return 0;
	uint8_t switches = data[0];
	size_t count = 1 + (switches & SWITCH_SEGMENTS) % SEGMENTS_MAX;
	size_t length = (size - 1) / count;

	for (size_t i = 0; i < count; i++) {
		uint64_t sequence = i + ((switches & SWITCH_MIDDLE) != 0);
		// A block of exactly this size, so that the sanitizer sees a byte too far.
		uint8_t *bytes = malloc(length > 0 ? length : 1);

		require(bytes != NULL);
		memcpy(bytes, data + 1 + i * length, length);
		if ((switches & SWITCH_RAW) == 0)
			repair(bytes, length, sequence);
		parse(bytes, length);
		write_segment(directory, sequence, bytes, length);
		free(bytes);
	}
	replay(directory, switches);
	remove_segments(directory);
	rmdir(directory);
	directory[0] = '\0';
	return 0;
}
