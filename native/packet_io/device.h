// SPDX-License-Identifier: Apache-2.0

// What a kind of device gives: one table of functions and a structure that opens with struct
// packet_io_device. device.c finds the kind, counts frames and calls through the table. A device
// belongs to one thread at a time.
#pragma once

#include <stellar/packet_io.h>

#include "packet_io/uri.h"

#define PACKET_IO_ERROR_SIZE 512

struct packet_io_ops {
	const char *name; // the KIND of the URI
	const char *const *options; // the keys it knows, ends with NULL; NULL: none

	// Allocate the device, fill in the base and set base.ops. Not called for others than kinds.
	int (*open)(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
		    char *error, size_t error_size);
	void (*close)(struct packet_io_device *device);

	// As packet_io_device_*; release, flush and read_stats may be NULL.
	int (*rx)(struct packet_io_device *device, struct frame *ret_frames, size_t count);
	void (*release)(struct packet_io_device *device, const struct frame *frames, size_t count);
	int (*tx)(struct packet_io_device *device, const struct frame *frames, size_t count);
	int (*flush)(struct packet_io_device *device);
	// Complete what the kernel or a library counts; the rest is there already.
	void (*read_stats)(const struct packet_io_device *device, struct packet_io_stats *stats);
};

struct packet_io_device {
	const struct packet_io_ops *ops;
	struct packet_io_stats stats;
	uint32_t frame_max; // bytes
	int fd; // polls readable, or -1
	bool live;
	char error[PACKET_IO_ERROR_SIZE];
};

// The kinds of this build, ends with NULL.
extern const struct packet_io_ops *const packet_io_kinds[];

extern const struct packet_io_ops packet_io_pcap_ops;
extern const struct packet_io_ops packet_io_memory_ops;
extern const struct packet_io_ops packet_io_capture_ops;
extern const struct packet_io_ops packet_io_xdp_ops;
extern const struct packet_io_ops packet_io_recorded_ops;
