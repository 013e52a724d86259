// SPDX-License-Identifier: Apache-2.0

// What a live device must know of its network interface, asked from the kernel in the network
// namespace of the thread. Control thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct live_interface {
	char name[16];
	uint32_t id;
	uint32_t mtu; // bytes, without the link layer
	uint32_t rx_queues; // in use; 1 when the driver doesn't tell
};

// Returns 0; -ENODEV, or another -errno, with one line in error that begins with kind:name.
int live_interface_read(struct live_interface *ret_interface, const char *kind, const char *name,
			char *error, size_t error_size);

// Longest frame the interface sends: MTU, Ethernet header and one VLAN tag. Bytes.
uint32_t live_interface_frame_max(const struct live_interface *interface);
