// SPDX-License-Identifier: Apache-2.0

// The block format, draft-ietf-opsawg-pcapng. Packet blocks become frames; section and interface
// blocks set the state they need; every other block is stepped over.

#include "packet_io/pcap_reader.h"

#include <byteswap.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE_MIN 12u // type, length, length again
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define INTERFACES_MAX 65536u

enum block_type {
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, // obsolete, still read
	BLOCK_SIMPLE_PACKET = 3,
	BLOCK_ENHANCED_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
};

enum option_code {
	OPTION_END = 0,
	OPTION_TIME_RESOLUTION = 9,
	OPTION_TIME_OFFSET = 14,
};

// A block within the file: body is what lies between the lengths.
struct block {
	size_t at;
	uint32_t type;
	size_t body;
	size_t body_size;
};

static uint64_t load64(const struct pcap_reader *reader, size_t at)
{
	uint64_t value;
	memcpy(&value, reader->bytes + at, sizeof(value));
	return reader->swapped ? bswap_64(value) : value;
}

// A section states its byte order in the bytes after the length, so it is read before the length.
static int take_byte_order(struct pcap_reader *reader, size_t at)
{
	uint32_t magic;
	memcpy(&magic, reader->bytes + at + 8, sizeof(magic));
	if (magic != BYTE_ORDER_MAGIC && magic != bswap_32(BYTE_ORDER_MAGIC))
		return pcap_reader_fault(reader, at + 8,
					 "expected the byte-order magic of a section, found %08x",
					 magic);
	reader->swapped = magic != BYTE_ORDER_MAGIC;
	return 0;
}

static int read_block(struct pcap_reader *reader, struct block *ret_block)
{
	size_t at = reader->offset;
	size_t left = reader->size - at;
	if (left == 0)
		return -ENODATA;
	if (left < BLOCK_SIZE_MIN)
		return pcap_reader_fault(reader, at, "expected a block, found %zu bytes", left);

	uint32_t type = pcap_reader_load32(reader, at);
	if (type == BLOCK_SECTION) {
		int rc = take_byte_order(reader, at);
		if (rc < 0)
			return rc;
	}
	uint32_t size = pcap_reader_load32(reader, at + 4);
	if (size < BLOCK_SIZE_MIN || size % 4 != 0)
		return pcap_reader_fault(
			reader, at + 4,
			"expected a block length of at least 12 that is a multiple of 4, found %u",
			size);
	if (size > left)
		return pcap_reader_fault(
			reader, at, "expected a block of %u bytes, found %zu bytes", size, left);
	uint32_t trailer = pcap_reader_load32(reader, at + size - 4);
	if (trailer != size)
		return pcap_reader_fault(reader, at + size - 4,
					 "expected the block length %u again, found %u", size,
					 trailer);
	*ret_block = (struct block){
		.at = at,
		.type = type,
		.body = at + 8,
		.body_size = size - BLOCK_SIZE_MIN,
	};
	reader->offset = at + size;
	return 0;
}

static int check_body(struct pcap_reader *reader, const struct block *block, size_t size)
{
	if (block->body_size >= size)
		return 0;
	return pcap_reader_fault(reader, block->body,
				 "expected at least %zu bytes in a block of type %u, found %zu",
				 size, block->type, block->body_size);
}

// A new section forgets the interfaces of the one before.
static int start_section(struct pcap_reader *reader, const struct block *block)
{
	int rc = check_body(reader, block, 16);
	if (rc < 0)
		return rc;
	uint16_t version_major = pcap_reader_load16(reader, block->body + 4);
	if (version_major != 1)
		return pcap_reader_fault(reader, block->body + 4,
					 "expected pcapng version 1, found %u.%u", version_major,
					 pcap_reader_load16(reader, block->body + 6));
	reader->interface_count = 0;
	return 0;
}

static int read_interface_option(struct pcap_reader *reader, struct pcapng_interface *interface,
				 uint16_t code, size_t at, size_t size)
{
	if (code == OPTION_TIME_RESOLUTION && size >= 1) {
		interface->binary = (reader->bytes[at] & 0x80) != 0;
		interface->exponent = reader->bytes[at] & 0x7f;
		if (interface->exponent > (interface->binary ? 63 : 19))
			return pcap_reader_fault(
				reader, at,
				"expected an if_tsresol of at most 10^-19 or 2^-63, found %s^-%u",
				interface->binary ? "2" : "10", interface->exponent);
	} else if (code == OPTION_TIME_OFFSET && size >= 8) {
		interface->offset_sec = (int64_t)load64(reader, at);
	}
	return 0;
}

static int read_interface_options(struct pcap_reader *reader, const struct block *block,
				  struct pcapng_interface *interface)
{
	size_t at = block->body + 8;
	size_t end = block->body + block->body_size;
	while (end - at >= 4) {
		uint16_t code = pcap_reader_load16(reader, at);
		size_t size = pcap_reader_load16(reader, at + 2);
		size_t padded = (size + 3) & ~(size_t)3;
		if (code == OPTION_END)
			break;
		if (padded > end - at - 4)
			return pcap_reader_fault(
				reader, at + 2,
				"expected an option of at most %zu bytes, found %zu", end - at - 4,
				size);
		int rc = read_interface_option(reader, interface, code, at + 4, size);
		if (rc < 0)
			return rc;
		at += 4 + padded;
	}
	return 0;
}

static int add_interface(struct pcap_reader *reader, const struct block *block)
{
	int rc = check_body(reader, block, 8);
	if (rc < 0)
		return rc;
	struct pcapng_interface interface = {
		.link_type = pcap_link_type(pcap_reader_load16(reader, block->body)),
		.snap_length = pcap_reader_load32(reader, block->body + 4),
		.exponent = 6, // microseconds unless if_tsresol says otherwise
	};
	rc = read_interface_options(reader, block, &interface);
	if (rc < 0)
		return rc;
	if (reader->interface_count == INTERFACES_MAX)
		return pcap_reader_fault(reader, block->at,
					 "expected at most %u interfaces in a section, found more",
					 INTERFACES_MAX);
	if (reader->interface_count == reader->interface_capacity) {
		size_t capacity =
			reader->interface_capacity > 0 ? reader->interface_capacity * 2 : 8;
		void *grown = realloc(reader->interfaces, capacity * sizeof(reader->interfaces[0]));
		if (grown == NULL)
			return -ENOMEM;
		reader->interfaces = grown;
		reader->interface_capacity = capacity;
	}
	reader->interfaces[reader->interface_count++] = interface;
	return 0;
}

// NULL with the fault noted when the section has no such interface.
static const struct pcapng_interface *find_interface(struct pcap_reader *reader, size_t at,
						     uint32_t id)
{
	if (id < reader->interface_count)
		return &reader->interfaces[id];
	pcap_reader_fault(reader, at, "expected one of the %zu interfaces of the section, found %u",
			  reader->interface_count, id);
	return NULL;
}

// Ticks to nanoseconds since the epoch; what doesn't fit is the largest or the smallest value.
static uint64_t time_from_ticks(const struct pcapng_interface *interface, uint64_t ticks)
{
	unsigned __int128 time_ns = (unsigned __int128)ticks;
	if (interface->binary) {
		time_ns = (time_ns * 1000000000u) >> interface->exponent;
	} else {
		for (unsigned int i = interface->exponent; i < 9; i++)
			time_ns *= 10;
		for (unsigned int i = interface->exponent; i > 9; i--)
			time_ns /= 10;
	}
	__int128 shifted = (__int128)time_ns + (__int128)interface->offset_sec * 1000000000;
	if (shifted < 0)
		return 0;
	return shifted > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)shifted;
}

static int check_frame(struct pcap_reader *reader, size_t at, uint32_t length, size_t room)
{
	if (length > PCAP_FRAME_MAX)
		return pcap_reader_fault(reader, at,
					 "expected a frame of at most %u bytes, found %u",
					 PCAP_FRAME_MAX, length);
	if (length > room)
		return pcap_reader_fault(reader, at,
					 "expected a frame within the %zu bytes of its block, "
					 "found %u",
					 room, length);
	return 0;
}

// Enhanced and obsolete packet blocks differ in how they number the interface.
static int read_packet(struct pcap_reader *reader, const struct block *block,
		       struct frame *ret_frame)
{
	int rc = check_body(reader, block, 20);
	if (rc < 0)
		return rc;
	uint32_t id = block->type == BLOCK_PACKET ? pcap_reader_load16(reader, block->body)
						  : pcap_reader_load32(reader, block->body);
	const struct pcapng_interface *interface = find_interface(reader, block->body, id);
	if (interface == NULL)
		return reader->fault;
	uint32_t length = pcap_reader_load32(reader, block->body + 12);
	uint32_t wire_length = pcap_reader_load32(reader, block->body + 16);
	rc = check_frame(reader, block->body + 12, length, block->body_size - 20);
	if (rc < 0)
		return rc;
	uint64_t ticks = (uint64_t)pcap_reader_load32(reader, block->body + 4) << 32 |
			 pcap_reader_load32(reader, block->body + 8);
	*ret_frame = (struct frame){
		.data = reader->bytes + block->body + 20,
		.length = length,
		.wire_length = wire_length > length ? wire_length : length,
		.time_ns = time_from_ticks(interface, ticks),
		.link_type = interface->link_type,
	};
	return 0;
}

// No time and no captured length: the block's own length and the snapshot length bound it.
static int read_simple_packet(struct pcap_reader *reader, const struct block *block,
			      struct frame *ret_frame)
{
	int rc = check_body(reader, block, 4);
	if (rc < 0)
		return rc;
	const struct pcapng_interface *interface = find_interface(reader, block->at, 0);
	if (interface == NULL)
		return reader->fault;
	uint32_t wire_length = pcap_reader_load32(reader, block->body);
	uint32_t length = wire_length;
	if (interface->snap_length != 0 && length > interface->snap_length)
		length = interface->snap_length;
	rc = check_frame(reader, block->body, length, block->body_size - 4);
	if (rc < 0)
		return rc;
	*ret_frame = (struct frame){
		.data = reader->bytes + block->body + 4,
		.length = length,
		.wire_length = wire_length,
		.link_type = interface->link_type,
	};
	return 0;
}

int pcapng_read_header(struct pcap_reader *reader)
{
	struct block block;
	int rc = read_block(reader, &block);
	return rc < 0 ? rc : start_section(reader, &block);
}

int pcapng_read_frame(struct pcap_reader *reader, struct frame *ret_frame)
{
	for (;;) {
		struct block block;
		int rc = read_block(reader, &block);
		if (rc < 0)
			return rc;
		switch (block.type) {
		case BLOCK_ENHANCED_PACKET:
		case BLOCK_PACKET:
			return read_packet(reader, &block, ret_frame);
		case BLOCK_SIMPLE_PACKET:
			return read_simple_packet(reader, &block, ret_frame);
		case BLOCK_INTERFACE:
			rc = add_interface(reader, &block);
			break;
		case BLOCK_SECTION:
			rc = start_section(reader, &block);
			break;
		default:
			break;
		}
		if (rc < 0)
			return rc;
	}
}
