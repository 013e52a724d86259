// SPDX-License-Identifier: Apache-2.0

// Devices behind one table of functions. A device is named by a URI:
//
//     pcap:FILE            read a capture (pcap or pcapng) to its end
//     pcap:FILE?write=1    write pcap with nanoseconds; its link type is the first frame's
//     capture:IF           live, through libpcap; ?promiscuous=0|1 (default 1)
//                          &direction=in|both (default in)
//     xdp:IF               live, AF_XDP; ?queue=N (default 0) &fail=closed|open &peer=IF (for open)
//                          &mode=auto|native|generic &promiscuous=0|1 (default 1) &pin=DIR (bpffs)
//     memory:NAME          two rings in this process, for tests and embedding; ?frames=N (1024)
//                          &live=0|1 (default 0: the pushed times are the clock)
//     recorded:NAME        receives nothing, takes all: for engine_replay; ?frame_max=N (1514)
//     dpdk:PCI-or-vdev     not in this version: refused with -ENOSYS
//
// The options begin at the last '?'; an unknown one is refused by its name.
// One thread uses a device at a time. Frames from rx are lent until released.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct packet;
struct packet_io_device;

#define STELLAR_BURST_MAX 64

struct frame {
	uint8_t *data; // first byte of the link layer
	uint32_t length; // captured bytes
	uint32_t wire_length; // bytes on the wire, at least length
	uint64_t time_ns; // arrival, ns since the epoch; 0: take the engine's clock
	uint64_t cookie; // the device's own, opaque
	uint16_t link_type; // LINKTYPE_* of the frame: 1 Ethernet, 101 raw IP, 113, 276, 0, ...
	uint16_t reserved[3];
};

// Frames and bytes that the device itself saw. rx_missed: lost before rx could see them,
// outside of the conservation law, which begins at rx.
struct packet_io_stats {
	uint64_t rx_frames;
	uint64_t rx_bytes;
	uint64_t rx_missed;
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t tx_errors;
};

// Open a device. error gets one line. Control thread. Returns 0; -EINVAL (URI), -ENOENT (no such
// file), -ENODEV (no such interface), -EPERM, -ENOSYS (kind not built in), -EBADMSG (not a
// capture), or another -errno. *ret_device is untouched on failure.
STELLAR_PUBLIC int packet_io_device_open(const char *uri, struct packet_io_device **ret_device,
					 char *error, size_t error_size);

// Close and free; accepts NULL. Frames lent and not released are gone.
STELLAR_PUBLIC void packet_io_device_close(struct packet_io_device *device);

// Receive up to count frames (count <= STELLAR_BURST_MAX). Never blocks. Returns the number, 0 when
// nothing waits, -ENODATA at the end of a capture, -EBADMSG when a capture is cut or corrupt (the
// frames before that were delivered; error text by packet_io_device_error), or -ENETDOWN.
STELLAR_PUBLIC int packet_io_device_rx(struct packet_io_device *device, struct frame *ret_frames,
				       size_t count);

// Give lent frames back. Any order.
STELLAR_PUBLIC void packet_io_device_release(struct packet_io_device *device,
					     const struct frame *frames, size_t count);

// Send count frames; the bytes are copied before it returns. Returns how many were taken, from the
// first on (the rest found no room), or -errno when none can ever be (-EMSGSIZE for the first).
STELLAR_PUBLIC int packet_io_device_tx(struct packet_io_device *device, const struct frame *frames,
				       size_t count);

// Make the device send what it buffered; call once a burst. Returns 0 or -errno.
STELLAR_PUBLIC int packet_io_device_flush(struct packet_io_device *device);

// Longest frame tx can take, bytes.
STELLAR_PUBLIC uint32_t packet_io_device_frame_max(const struct packet_io_device *device);

// Descriptor that polls readable when rx has something, or -1: never needs waiting.
STELLAR_PUBLIC int packet_io_device_fd(const struct packet_io_device *device);

// Whether time_ns of its frames drives the engine's clock (captures) or the wall clock does.
STELLAR_PUBLIC bool packet_io_device_is_live(const struct packet_io_device *device);

STELLAR_PUBLIC void packet_io_device_get_stats(const struct packet_io_device *device,
					       struct packet_io_stats *ret_stats);

// What went wrong last, one line, "" when nothing did. Valid until the next call on the device.
STELLAR_PUBLIC const char *packet_io_device_error(const struct packet_io_device *device);

// The far side of a memory: device. push copies a frame in to be received; pop takes a sent one:
// returns its length (copied up to size bytes), 0 when none. Any one thread at each end.
STELLAR_PUBLIC int packet_io_memory_push(struct packet_io_device *device, const uint8_t *data,
					 size_t length, uint64_t time_ns);
STELLAR_PUBLIC int packet_io_memory_pop(struct packet_io_device *device, uint8_t *ret_data,
					size_t size);

// Take the XDP program of xdp: devices off an interface, with the process that used it dead or
// alive: it stays through close and death, so that the fail action holds. device: the interface's
// name, or the URI it was opened with, and then its pins go too. Afterwards the interface is as
// before. Control thread. Returns 0, also when no program is there; -ENODEV; -EBUSY (the program is
// another owner's, left alone); -EPERM; or another -errno, with one line in error.
STELLAR_PUBLIC int packet_io_xdp_detach(const char *device, char *error, size_t error_size);
