// SPDX-License-Identifier: Apache-2.0

// Reads a capture that lies in memory: pcap (microseconds, nanoseconds, Kuznetzov's "modified";
// both byte orders) and pcapng (any number of sections and interfaces). Nothing is copied: frames
// point into the bytes. Every length is checked against the end; nothing past it is touched.
// One thread; no locking.
#pragma once

#include <stellar/packet_io.h>

#include <byteswap.h>
#include <string.h>

// What libpcap and Wireshark also take as the sanity limit of a frame.
#define PCAP_FRAME_MAX 262144u

// One Interface Description Block.
struct pcapng_interface {
	uint16_t link_type;
	uint32_t snap_length; // bytes, 0: none
	bool binary; // resolution is 2^-exponent seconds, else 10^-exponent
	uint8_t exponent;
	int64_t offset_sec;
};

struct pcap_reader {
	uint8_t *bytes; // not owned
	size_t size;
	size_t offset; // of the next record or block
	const char *name; // of the file, for errors; not owned
	int fault; // 0, or -EBADMSG for ever
	bool swapped; // file's byte order isn't ours
	bool pcapng;

	// pcap
	uint16_t link_type;
	uint16_t version_minor;
	uint32_t record_header_size; // bytes
	uint32_t tick_ns; // unit of the fraction

	// pcapng, the section being read
	struct pcapng_interface *interfaces;
	size_t interface_count;
	size_t interface_capacity;

	char *error; // not owned; gets one line with the fault
	size_t error_size;
};

// Look at the file header. bytes, name and error must outlive the reader. Returns 0, or -EBADMSG
// with one line in error when this isn't a capture.
int pcap_reader_init(struct pcap_reader *reader, uint8_t *bytes, size_t size, const char *name,
		     char *error, size_t error_size);

void pcap_reader_fini(struct pcap_reader *reader);

// Next frames, up to count. Returns their number (> 0), -ENODATA at the end, -EBADMSG at a fault
// (after the frames before it were given; the line is in error), -ENOMEM.
int pcap_reader_read(struct pcap_reader *reader, struct frame *ret_frames, size_t count);

// For pcapng.c, within the reader.

// Note what is wrong at a byte of the file; returns -EBADMSG.
int pcap_reader_fault(struct pcap_reader *reader, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// A number of the file; the caller has checked that it lies within.
static inline uint16_t pcap_reader_load16(const struct pcap_reader *reader, size_t at)
{
	uint16_t value;
	memcpy(&value, reader->bytes + at, sizeof(value));
	return reader->swapped ? bswap_16(value) : value;
}

static inline uint32_t pcap_reader_load32(const struct pcap_reader *reader, size_t at)
{
	uint32_t value;
	memcpy(&value, reader->bytes + at, sizeof(value));
	return reader->swapped ? bswap_32(value) : value;
}

// The LINKTYPE_ value of the number in a file: old programs wrote their system's DLT_ value.
uint16_t pcap_link_type(uint32_t value);

// Read the first section header. Returns 0 or -EBADMSG.
int pcapng_read_header(struct pcap_reader *reader);

// Walk to the next packet block. Returns 0 with a frame, -ENODATA, -EBADMSG or -ENOMEM.
int pcapng_read_frame(struct pcap_reader *reader, struct frame *ret_frame);
