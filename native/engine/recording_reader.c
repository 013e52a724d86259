// SPDX-License-Identifier: Apache-2.0

// The parser of segments; see recording.h. Trusts no byte.

#include "engine/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static const uint32_t fixed_lengths[RECORDING_TYPE_COUNT] = {
	[RECORDING_CLOCK] = sizeof(struct recording_clock),
	[RECORDING_TX] = sizeof(struct recording_tx),
	[RECORDING_POLICY] = sizeof(struct recording_policy),
	[RECORDING_PLUGIN] = sizeof(struct recording_plugin),
	[RECORDING_DISABLED] = sizeof(struct recording_disabled),
	[RECORDING_FINISH] = sizeof(struct recording_finish),
};

void recording_segment_name(char *ret_name, uint32_t worker_id, uint64_t sequence)
{
	snprintf(ret_name, RECORDING_NAME_MAX, "worker-%u-%08" PRIu64 ".segment", worker_id,
		 sequence);
}

uint32_t recording_checksum(const struct recording_block_header *header, const void *bytes)
{
	uLong checksum = crc32(0, (const Bytef *)&header->length,
			       sizeof(*header) - sizeof(header->checksum));

	return (uint32_t)crc32(checksum, bytes, header->length);
}

uint32_t recording_header_checksum(const struct recording_segment_header *header)
{
	const uint8_t *from = (const uint8_t *)&header->format;
	const uint8_t *end = (const uint8_t *)(header + 1);

	return (uint32_t)crc32(0, from, (uInt)(end - from));
}

int recording_reader_init(struct recording_reader *reader, uint8_t *bytes, size_t size, char *error,
			  size_t error_size)
{
	struct recording_segment_header *header = &reader->header;

	memset(reader, 0, sizeof(*reader));
	if (size < sizeof(*header)) {
		snprintf(error, error_size, "expected a segment of at least %zu bytes, found %zu",
			 sizeof(*header), size);
		return -EBADMSG;
	}
	memcpy(header, bytes, sizeof(*header));
	if (header->magic[0] == '\0')
		return -ENODATA;
	if (memcmp(header->magic, RECORDING_MAGIC, sizeof(header->magic)) != 0 ||
	    header->format != RECORDING_FORMAT || header->header_size != sizeof(*header)) {
		snprintf(error, error_size, "expected a segment of format %u, found another file",
			 RECORDING_FORMAT);
		return -EBADMSG;
	}
	if (header->checksum != recording_header_checksum(header)) {
		snprintf(error, error_size, "its header is damaged");
		return -EBADMSG;
	}
	reader->bytes = bytes;
	reader->size = size;
	reader->offset = sizeof(*header);
	return 0;
}

static int read_burst(uint8_t *bytes, uint32_t length, struct recording_block *block)
{
	struct recording_burst *burst = &block->burst;

	if (length < sizeof(*burst))
		return -EBADMSG;
	memcpy(burst, bytes, sizeof(*burst));
	size_t heads = sizeof(*burst) + burst->count * sizeof(struct recording_frame);

	if (burst->count < 1 || burst->count > STELLAR_BURST_MAX || heads > length)
		return -EBADMSG;
	size_t at = heads;

	for (uint16_t i = 0; i < burst->count; i++) {
		struct recording_frame head;

		memcpy(&head, bytes + sizeof(*burst) + i * sizeof(head), sizeof(head));
		if (head.length > length - at || head.length > RECORDING_FRAME_MAX ||
		    head.wire_length < head.length)
			return -EBADMSG;
		block->frames[i] = (struct frame){
			.data = bytes + at,
			.length = head.length,
			.wire_length = head.wire_length,
			.time_ns = head.time_ns,
			.link_type = head.link_type,
		};
		at += head.length;
	}
	return at == length ? 0 : -EBADMSG;
}

static int read_block(uint8_t *bytes, const struct recording_block_header *header,
		      struct recording_block *block)
{
	block->type = header->type;
	if (header->type == RECORDING_BURST)
		return read_burst(bytes, header->length, block);
	if (header->type >= RECORDING_TYPE_COUNT || fixed_lengths[header->type] != header->length)
		return -EBADMSG;
	memcpy(&block->burst, bytes, header->length); // where all of the union begin
	return 0;
}

int recording_reader_next(struct recording_reader *reader, struct recording_block *ret_block,
			  char *error, size_t error_size)
{
	struct recording_block_header header;
	size_t left = reader->size - reader->offset;

	if (left < sizeof(header))
		return 0;
	memcpy(&header, reader->bytes + reader->offset, sizeof(header));
	if (header.type == RECORDING_NOTHING)
		return 0;
	uint8_t *bytes = reader->bytes + reader->offset + sizeof(header);

	if (header.length > left - sizeof(header) || header.number != reader->number ||
	    header.checksum != recording_checksum(&header, bytes) ||
	    read_block(bytes, &header, ret_block) != 0) {
		snprintf(error, error_size, "byte %zu: block %u is damaged", reader->offset,
			 reader->number);
		return -EBADMSG;
	}
	// The last one's padding may lie past the end.
	size_t whole = (sizeof(header) + header.length + 7u) & ~(size_t)7;

	reader->offset += whole < left ? whole : left;
	reader->number++;
	return 1;
}
