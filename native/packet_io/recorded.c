// SPDX-License-Identifier: Apache-2.0

// recorded:NAME. What stands for a device in the replay of a recording: it receives nothing by
// itself, the replay brings the frames, and takes whatever it is given. NAME is a label.

#include "packet_io/device.h"

#include <errno.h>
#include <stdlib.h>

#define FRAME_MAX 262144u

static int recorded_open(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
			 char *error, size_t error_size)
{
	uint32_t frame_max;
	int rc = packet_io_uri_get_number(uri, "frame_max", 1514, 0, FRAME_MAX, &frame_max, error,
					  error_size);

	if (rc < 0)
		return rc;
	struct packet_io_device *device = calloc(1, sizeof(*device));

	if (device == NULL)
		return -ENOMEM;
	device->ops = &packet_io_recorded_ops;
	device->frame_max = frame_max;
	device->fd = -1;
	*ret_device = device;
	return 0;
}

static void recorded_close(struct packet_io_device *device)
{
	free(device);
}

static int recorded_rx(struct packet_io_device *device, struct frame *ret_frames, size_t count)
{
	return -ENODATA;
}

static int recorded_tx(struct packet_io_device *device, const struct frame *frames, size_t count)
{
	return (int)count;
}

static const char *const recorded_options[] = {"frame_max", NULL};

const struct packet_io_ops packet_io_recorded_ops = {
	.name = "recorded",
	.options = recorded_options,
	.open = recorded_open,
	.close = recorded_close,
	.rx = recorded_rx,
	.tx = recorded_tx,
};
