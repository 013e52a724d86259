// SPDX-License-Identifier: Apache-2.0

// What a worker took in, kept so that a replay does what it did: the frames of each burst with the
// burst's clock, the times that passed without packets, what devices refused to send, the places
// where policies and plugins changed. Everything else follows from these, the configuration and the
// plugins. (How an operator's directory names these: stellar/engine/recording.py.)
//
// A directory has segment files of one fixed size, worker-ID-SEQUENCE.segment, and each policy
// image that came into force, policy-GENERATION.bin. A segment is a header, then blocks: each
// begins at a multiple of 8 and is a block header and `length` bytes. Little endian. A block whose
// type is 0 ends what was written: the writer sets a block's type last, so that a killed process
// leaves whole blocks; a machine that lost power may leave others, which their checksum tells. The
// stream goes on in the segment with the next sequence number. The oldest segments go when there
// are too many: then a replay begins in the middle, with what the header says of it.
//
//     recording_writer.c   the worker's side: blocks into mapped memory, never waiting
//     recording_segments.c the recorder's thread: files ahead of the worker, and the ring
//     recording_reader.c   the parser: any bytes
//     recording_replay.c   a worker driven by what was read
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are little endian");

struct worker;

#define RECORDING_MAGIC "STELREC1"
#define RECORDING_FORMAT 1u
#define RECORDING_SEGMENT_MIN (8u << 20) // bytes: more than the largest burst
#define RECORDING_SEGMENT_MAX (64u << 20)
#define RECORDING_FRAME_MAX 262144u // bytes, of a frame: what devices give at most
#define RECORDING_NAME_MAX 64u // of a file in the directory

struct recording_segment_header {
	char magic[8];
	uint32_t checksum; // CRC-32 of what follows it
	uint32_t format;
	uint32_t abi_version;
	uint32_t header_size;
	uint64_t run; // the same in all segments of a run
	uint64_t segment_size;
	uint64_t sequence; // from 0
	uint32_t worker_id;
	uint32_t worker_count;
	// The worker as it was when the segment began.
	uint64_t now_ns;
	uint64_t start_ns;
	uint64_t next_stats_ns;
	uint64_t session_serial;
	uint64_t burst_count; // recorded before
	uint64_t packet_count;
	uint64_t disabled; // plugins, by id
	uint64_t failed_closed;
	uint32_t policy_generation; // 0: none
	uint32_t resumed; // sessions that a predecessor left (segment 0)
	uint16_t plugin_versions[STELLAR_PLUGINS_MAX]; // times each was reloaded
	uint64_t is_filtered; // not every packet was recorded
};

enum recording_type {
	RECORDING_NOTHING,
	RECORDING_BURST, // struct recording_burst, its frames' heads, their bytes
	RECORDING_CLOCK, // struct recording_clock: time passed
	RECORDING_TX, // struct recording_tx: a device did not take all, after the block before
	RECORDING_POLICY, // struct recording_policy: in force from here on
	RECORDING_PLUGIN, // struct recording_plugin: another version from here on
	RECORDING_DISABLED, // struct recording_disabled: by what another worker found
	RECORDING_FINISH, // struct recording_finish: the loop ended
	RECORDING_TYPE_COUNT,
};

_Static_assert(sizeof(struct recording_segment_header) == 264, "tests/fuzz/recording has it too");

struct recording_block_header {
	uint32_t checksum; // CRC-32 of what follows it, and of the bytes of the block
	uint32_t length; // bytes after this header
	uint32_t number; // in its segment, from 0
	uint32_t type; // enum recording_type
};

struct recording_burst {
	uint64_t clock_ns; // 0: the frames bring their own
	uint16_t ingress_id;
	uint16_t count; // 1 to STELLAR_BURST_MAX
	uint32_t witness; // what the worker had done before: a replay that differs has diverged
};

struct recording_frame {
	uint64_t time_ns;
	uint32_t length; // bytes in the block
	uint32_t wire_length;
	uint16_t link_type;
	uint16_t reserved[3];
};

struct recording_clock {
	uint64_t clock_ns;
	uint64_t is_idle; // the worker slept: statistics may be due
};

struct recording_tx {
	uint32_t call; // of packet_io_device_tx since the last burst or clock, from 0
	int32_t result;
	uint16_t interface_id;
	uint16_t reserved[3];
};

struct recording_policy {
	uint32_t generation;
	uint32_t reserved;
};

struct recording_plugin {
	uint16_t plugin_id;
	uint16_t version; // times it was reloaded
	uint32_t reserved;
};

struct recording_disabled {
	uint64_t disabled;
	uint64_t failed_closed;
};

struct recording_finish {
	uint64_t hand_over;
};

void recording_segment_name(char *ret_name, uint32_t worker_id, uint64_t sequence);
uint32_t recording_checksum(const struct recording_block_header *header, const void *bytes);
uint32_t recording_header_checksum(const struct recording_segment_header *header);
// What the worker has done so far, in short.
uint32_t recording_witness(const struct worker *worker);

// The parser of one segment. The bytes stay the caller's, aligned to 8, and must outlive what is
// read: frames point into them.
struct recording_reader {
	uint8_t *bytes;
	size_t size;
	size_t offset; // of the next block
	uint32_t number;
	struct recording_segment_header header;
};

struct recording_block {
	uint32_t type; // enum recording_type
	union {
		struct recording_burst burst;
		struct recording_clock clock;
		struct recording_tx tx;
		struct recording_policy policy;
		struct recording_plugin plugin;
		struct recording_disabled disabled;
		struct recording_finish finish;
	};
	struct frame frames[STELLAR_BURST_MAX]; // of a burst
};

// Returns 0, -ENODATA (nothing was written to it) or -EBADMSG with one line in error.
int recording_reader_init(struct recording_reader *reader, uint8_t *bytes, size_t size, char *error,
			  size_t error_size);
// Returns 1 and a block, 0 where nothing more was written, -EBADMSG for bytes that are no block,
// now and for ever, with one line in error.
int recording_reader_next(struct recording_reader *reader, struct recording_block *ret_block,
			  char *error, size_t error_size);
