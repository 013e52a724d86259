// SPDX-License-Identifier: Apache-2.0

// The writing half of pcap:, chosen by pcap.c when the URI says write=1.
#pragma once

#include "packet_io/device.h"

// Create FILE, or empty it. As packet_io_ops.open.
int pcap_writer_open(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
		     char *error, size_t error_size);
