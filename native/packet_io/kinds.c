// SPDX-License-Identifier: Apache-2.0

// The kinds of device in this build.

#include "packet_io/device.h"

const struct packet_io_ops *const packet_io_kinds[] = {
	&packet_io_pcap_ops, &packet_io_memory_ops,   &packet_io_capture_ops,
	&packet_io_xdp_ops,  &packet_io_recorded_ops, NULL,
};
