// SPDX-License-Identifier: Apache-2.0

// The public calls: choose the kind by the URI, count, and go through its table.

#include "packet_io/device.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct packet_io_ops *find_kind(const char *name)
{
	for (size_t i = 0; packet_io_kinds[i] != NULL; i++) {
		if (strcmp(packet_io_kinds[i]->name, name) == 0)
			return packet_io_kinds[i];
	}
	return NULL;
}

int packet_io_device_open(const char *uri, struct packet_io_device **ret_device, char *error,
			  size_t error_size)
{
	struct packet_io_uri parsed;
	int rc = packet_io_uri_parse(&parsed, uri, error, error_size);
	if (rc < 0)
		return rc;

	const struct packet_io_ops *ops = find_kind(parsed.kind);
	if (ops == NULL && strcmp(parsed.kind, "dpdk") == 0) {
		snprintf(error, error_size,
			 "%s: DPDK devices are not in this version; use xdp: or capture:", uri);
		return -ENOSYS;
	}
	if (ops == NULL) {
		size_t used = (size_t)snprintf(error, error_size,
					       "%s: unknown kind \"%s\"; known:", uri, parsed.kind);
		for (size_t i = 0; packet_io_kinds[i] != NULL && used < error_size; i++)
			used += (size_t)snprintf(error + used, error_size - used, " %s",
						 packet_io_kinds[i]->name);
		return -EINVAL;
	}
	rc = packet_io_uri_check_options(&parsed, ops->options, error, error_size);
	if (rc < 0)
		return rc;
	return ops->open(&parsed, ret_device, error, error_size);
}

void packet_io_device_close(struct packet_io_device *device)
{
	if (device != NULL)
		device->ops->close(device);
}

int packet_io_device_rx(struct packet_io_device *device, struct frame *ret_frames, size_t count)
{
	assert(count <= STELLAR_BURST_MAX);
	int received = device->ops->rx(device, ret_frames, count);
	if (received <= 0)
		return received;

	uint64_t bytes = 0;
	for (int i = 0; i < received; i++)
		bytes += ret_frames[i].length;
	device->stats.rx_frames += (uint64_t)received;
	device->stats.rx_bytes += bytes;
	return received;
}

void packet_io_device_release(struct packet_io_device *device, const struct frame *frames,
			      size_t count)
{
	if (device->ops->release != NULL)
		device->ops->release(device, frames, count);
}

int packet_io_device_tx(struct packet_io_device *device, const struct frame *frames, size_t count)
{
	int sent = device->ops->tx(device, frames, count);
	if (sent < 0)
		device->stats.tx_errors++;
	if (sent <= 0)
		return sent;

	uint64_t bytes = 0;
	for (int i = 0; i < sent; i++)
		bytes += frames[i].length;
	device->stats.tx_frames += (uint64_t)sent;
	device->stats.tx_bytes += bytes;
	return sent;
}

int packet_io_device_flush(struct packet_io_device *device)
{
	return device->ops->flush != NULL ? device->ops->flush(device) : 0;
}

uint32_t packet_io_device_frame_max(const struct packet_io_device *device)
{
	return device->frame_max;
}

int packet_io_device_fd(const struct packet_io_device *device)
{
	return device->fd;
}

bool packet_io_device_is_live(const struct packet_io_device *device)
{
	return device->live;
}

void packet_io_device_get_stats(const struct packet_io_device *device,
				struct packet_io_stats *ret_stats)
{
	struct packet_io_stats stats = device->stats;
	if (device->ops->read_stats != NULL)
		device->ops->read_stats(device, &stats);
	*ret_stats = stats;
}

const char *packet_io_device_error(const struct packet_io_device *device)
{
	return device->error;
}
