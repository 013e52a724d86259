// SPDX-License-Identifier: Apache-2.0

// wire_bridge DEVICE DEVICE: forward frames between two devices until SIGTERM, then print what each
// counted, one JSON object a line. Prints "ready" when both are open.
// wire_bridge --detach DEVICE: packet_io_xdp_detach.

#include <stellar/packet_io.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stopping;

static void stop(int signal_number)
{
	stopping = 1;
}

// Returns the number of frames, or -errno.
static int forward(struct packet_io_device *from, struct packet_io_device *to)
{
	struct frame frames[STELLAR_BURST_MAX];
	int count = packet_io_device_rx(from, frames, STELLAR_BURST_MAX);
	if (count < 0) {
		fprintf(stderr, "rx: %s\n", packet_io_device_error(from));
		return count;
	}
	int sent = 0;
	while (sent < count) {
		int rc = packet_io_device_tx(to, frames + sent, (size_t)(count - sent));
		if (rc == -EMSGSIZE) {
			fprintf(stderr, "tx: %s\n", packet_io_device_error(to));
			rc = 1; // drop this one
		}
		if (rc <= 0)
			break; // full: the rest is lost, as on a wire
		sent += rc;
	}
	packet_io_device_release(from, frames, (size_t)count);
	int rc = packet_io_device_flush(to);
	if (rc < 0)
		fprintf(stderr, "flush: %s\n", packet_io_device_error(to));
	return rc < 0 ? rc : count;
}

static void print_stats(const char *uri, const struct packet_io_device *device)
{
	struct packet_io_stats stats;
	packet_io_device_get_stats(device, &stats);
	printf("{\"device\": \"%s\", \"rx_frames\": %" PRIu64 ", \"rx_missed\": %" PRIu64
	       ", \"tx_frames\": %" PRIu64 ", \"tx_errors\": %" PRIu64 "}\n",
	       uri, stats.rx_frames, stats.rx_missed, stats.tx_frames, stats.tx_errors);
}

static int run(struct packet_io_device *left, struct packet_io_device *right)
{
	struct pollfd waits[2] = {
		{.fd = packet_io_device_fd(left), .events = POLLIN},
		{.fd = packet_io_device_fd(right), .events = POLLIN},
	};
	while (!stopping) {
		int there = forward(left, right);
		int back = there < 0 ? there : forward(right, left);
		if (back < 0)
			return back;
		if (there == 0 && back == 0)
			poll(waits, 2, 100);
	}
	return 0;
}

static int bridge(const char *left_uri, const char *right_uri)
{
	char error[512];
	struct packet_io_device *left = NULL, *right = NULL;
	int rc = packet_io_device_open(left_uri, &left, error, sizeof(error));
	if (rc == 0)
		rc = packet_io_device_open(right_uri, &right, error, sizeof(error));
	if (rc < 0) {
		fprintf(stderr, "%s\n", error);
	} else {
		printf("ready\n");
		fflush(stdout);
		rc = run(left, right);
		print_stats(left_uri, left);
		print_stats(right_uri, right);
	}
	packet_io_device_close(left);
	packet_io_device_close(right);
	return rc;
}

static int detach(const char *device)
{
	char error[512];
	int rc = packet_io_xdp_detach(device, error, sizeof(error));
	if (rc < 0)
		fprintf(stderr, "%s\n", error);
	return rc;
}

int main(int count, char **arguments)
{
	if (count != 3) {
		fprintf(stderr, "usage: wire_bridge DEVICE DEVICE | wire_bridge --detach DEVICE\n");
		return 2;
	}
	struct sigaction action = {.sa_handler = stop};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	int rc = strcmp(arguments[1], "--detach") == 0 ? detach(arguments[2])
						       : bridge(arguments[1], arguments[2]);
	return rc < 0 ? 1 : 0;
}
