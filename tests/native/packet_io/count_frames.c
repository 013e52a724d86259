// SPDX-License-Identifier: Apache-2.0

// count_frames FILE...: one line for each capture: FILE, frames, bytes, how it ended (end, or the
// error), separated by tabs. For tests/system/packet_io.

#include <stellar/packet_io.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static void count(const char *path)
{
	char uri[4200], error[512];
	struct packet_io_device *device = NULL;
	// The last '?' of a URI begins the options.
	snprintf(uri, sizeof(uri), "pcap:%s?", path);
	if (packet_io_device_open(uri, &device, error, sizeof(error)) < 0) {
		printf("%s\t0\t0\t%s\n", path, error);
		return;
	}
	struct frame frames[STELLAR_BURST_MAX];
	int received;
	while ((received = packet_io_device_rx(device, frames, STELLAR_BURST_MAX)) > 0)
		packet_io_device_release(device, frames, (size_t)received);

	struct packet_io_stats stats;
	packet_io_device_get_stats(device, &stats);
	printf("%s\t%" PRIu64 "\t%" PRIu64 "\t%s\n", path, stats.rx_frames, stats.rx_bytes,
	       received == -ENODATA ? "end" : packet_io_device_error(device));
	packet_io_device_close(device);
}

int main(int argument_count, char **arguments)
{
	for (int i = 1; i < argument_count; i++)
		count(arguments[i]);
	return 0;
}
