// SPDX-License-Identifier: Apache-2.0

// Any bytes as a capture: frames lie within them, no frame is over the limit, the end or the fault
// comes and stays, and bursts of one frame give what bursts of 64 give.

#include "packet_io/pcap_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What reading a whole file came to.
struct outcome {
	int end;
	uint64_t frame_count;
	uint64_t digest; // of every frame's fields and bytes
	char error[512];
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void add_to_digest(struct outcome *outcome, uint64_t value)
{
	outcome->digest = (outcome->digest ^ value) * 0x100000001b3u;
}

static void take_frame(struct outcome *outcome, const struct frame *frame, const uint8_t *bytes,
		       size_t size)
{
	size_t offset = (size_t)(frame->data - bytes);
	require(offset <= size && frame->length <= size - offset);
	require(frame->length <= PCAP_FRAME_MAX);
	require(frame->length <= frame->wire_length);
	add_to_digest(outcome, offset);
	add_to_digest(outcome, frame->length);
	add_to_digest(outcome, frame->wire_length);
	add_to_digest(outcome, frame->time_ns);
	add_to_digest(outcome, frame->link_type);
	for (uint32_t i = 0; i < frame->length; i++)
		add_to_digest(outcome, frame->data[i]);
	outcome->frame_count++;
}

static void read_all(uint8_t *bytes, size_t size, size_t burst, struct outcome *outcome)
{
	struct pcap_reader reader;
	struct frame frames[STELLAR_BURST_MAX];
	memset(outcome, 0, sizeof(*outcome));
	outcome->end = pcap_reader_init(&reader, bytes, size, "input", outcome->error,
					sizeof(outcome->error));
	while (outcome->end == 0) {
		int count = pcap_reader_read(&reader, frames, burst);
		require(count <= (int)burst && count != 0);
		for (int i = 0; i < count; i++)
			take_frame(outcome, &frames[i], bytes, size);
		outcome->end = count < 0 ? count : 0;
	}
	require(outcome->end == -ENODATA || outcome->end == -EBADMSG);
	require((outcome->end == -EBADMSG) == (strncmp(outcome->error, "input: byte ", 12) == 0));
	if (reader.fault < 0)
		require(pcap_reader_read(&reader, frames, 1) == -EBADMSG);
	pcap_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome by_one, by_many;
	// A block of exactly this size, so that the sanitizer sees a byte too far.
	uint8_t *bytes = malloc(size > 0 ? size : 1);
	require(bytes != NULL);
	memcpy(bytes, data, size);

	read_all(bytes, size, 1, &by_one);
	read_all(bytes, size, STELLAR_BURST_MAX, &by_many);

	require(memcmp(&by_one, &by_many, sizeof(by_one)) == 0);
	free(bytes);
	return 0;
}
