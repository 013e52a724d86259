// SPDX-License-Identifier: Apache-2.0

// capture:IF, through libpcap: any interface, no XDP needed, slower. libpcap's bytes are good only
// until it is called again, so each frame is copied to a slot of ours, and the slots are lent. The
// kernel goes on handling the frames too: this listens, it doesn't intercept. Only incoming frames
// are taken unless direction=both, so that a wire doesn't receive what it sends.

#include "packet_io/device.h"
#include "packet_io/live_interface.h"
#include "packet_io/pcap_reader.h"

#include <pcap/pcap.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 256u // frames that can be lent at a time: a few bursts
#define SLOT_SIZE 66048u // bytes: the longest IP packet and its link layer, rounded up
#define KERNEL_BUFFER_BYTES (8 * 1024 * 1024)
#define READ_TIMEOUT_MS 100 // not used in immediate mode, but 0 would be undefined

struct capture_device {
	struct packet_io_device base;
	pcap_t *handle;
	char name[16];
	uint16_t link_type;
	bool sends; // frames can be written: a real interface
	uint8_t *slots;
	uint32_t free_count;
	uint32_t free[SLOTS];

	// The burst that rx is gathering.
	struct frame *frames;
	size_t frame_count;
};

static void capture_close(struct packet_io_device *base)
{
	struct capture_device *device = (struct capture_device *)base;
	if (device->handle != NULL)
		pcap_close(device->handle);
	if (device->slots != NULL)
		munmap(device->slots, (size_t)SLOTS * SLOT_SIZE);
	free(device);
}

static void take_frame(u_char *argument, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct capture_device *device = (struct capture_device *)argument;
	uint32_t slot = device->free[--device->free_count];
	uint8_t *copy = device->slots + (size_t)slot * SLOT_SIZE;
	uint32_t length = header->caplen < SLOT_SIZE ? header->caplen : SLOT_SIZE;
	memcpy(copy, bytes, length);
	device->frames[device->frame_count++] = (struct frame){
		.data = copy,
		.length = length,
		.wire_length = header->len > length ? header->len : length,
		// tv_usec holds nanoseconds at this precision.
		.time_ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec,
		.cookie = slot,
		.link_type = device->link_type,
	};
}

static int capture_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	struct capture_device *device = (struct capture_device *)base;
	if (count > device->free_count)
		count = device->free_count;
	if (count == 0)
		return 0;
	device->frames = ret_frames;
	device->frame_count = 0;
	int rc = pcap_dispatch(device->handle, (int)count, take_frame, (u_char *)device);
	if (rc < 0 && device->frame_count == 0) {
		snprintf(base->error, sizeof(base->error), "capture:%s: %s", device->name,
			 pcap_geterr(device->handle));
		return -ENETDOWN;
	}
	return (int)device->frame_count;
}

static void capture_release(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	struct capture_device *device = (struct capture_device *)base;
	for (size_t i = 0; i < count; i++)
		device->free[device->free_count++] = (uint32_t)frames[i].cookie;
}

static int send_frame(struct capture_device *device, const struct frame *frame)
{
	if (!device->sends || frame->length > device->base.frame_max) {
		snprintf(device->base.error, sizeof(device->base.error),
			 "capture:%s: expected a frame of at most %u bytes, found %u", device->name,
			 device->base.frame_max, frame->length);
		return -EMSGSIZE;
	}
	errno = 0;
	if (pcap_inject(device->handle, frame->data, frame->length) >= 0)
		return 0;
	int rc = errno != 0 ? -errno : -EIO;
	if (rc == -EAGAIN || rc == -ENOBUFS)
		return -EAGAIN;
	snprintf(device->base.error, sizeof(device->base.error), "capture:%s: %s", device->name,
		 pcap_geterr(device->handle));
	return rc == -ENXIO || rc == -ENODEV ? -ENETDOWN : rc;
}

static int capture_tx(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int rc = send_frame((struct capture_device *)base, &frames[i]);
		if (rc == -EAGAIN)
			return (int)i;
		if (rc < 0)
			return i > 0 ? (int)i : rc;
	}
	return (int)count;
}

static void capture_read_stats(const struct packet_io_device *base, struct packet_io_stats *stats)
{
	struct pcap_stat counts;
	if (pcap_stats(((const struct capture_device *)base)->handle, &counts) == 0)
		stats->rx_missed = (uint64_t)counts.ps_drop + counts.ps_ifdrop;
}

static int activation_error(int status)
{
	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return -ENODEV;
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return -EPERM;
	case PCAP_ERROR_IFACE_NOT_UP:
		return -ENETDOWN;
	default:
		return -EIO;
	}
}

static int activate(struct capture_device *device, bool promiscuous, bool both, char *error,
		    size_t error_size)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	device->handle = pcap_create(device->name, text);
	if (device->handle == NULL) {
		snprintf(error, error_size, "capture:%s: %s", device->name, text);
		return -EIO;
	}
	pcap_set_snaplen(device->handle, SLOT_SIZE);
	pcap_set_promisc(device->handle, promiscuous);
	pcap_set_immediate_mode(device->handle, 1);
	pcap_set_timeout(device->handle, READ_TIMEOUT_MS);
	pcap_set_buffer_size(device->handle, KERNEL_BUFFER_BYTES);
	pcap_set_tstamp_precision(device->handle, PCAP_TSTAMP_PRECISION_NANO);
	int status = pcap_activate(device->handle);
	if (status < 0) {
		int rc = activation_error(status);
		snprintf(error, error_size, "capture:%s: %s%s", device->name,
			 rc == -EPERM ? "not permitted" : pcap_statustostr(status),
			 rc == -EPERM ? " (needs CAP_NET_RAW)" : "");
		return rc;
	}
	if (pcap_get_tstamp_precision(device->handle) != PCAP_TSTAMP_PRECISION_NANO ||
	    pcap_setnonblock(device->handle, 1, text) < 0 ||
	    pcap_setdirection(device->handle, both ? PCAP_D_INOUT : PCAP_D_IN) < 0) {
		snprintf(error, error_size, "capture:%s: %s", device->name,
			 text[0] != '\0' ? text : pcap_geterr(device->handle));
		return -EIO;
	}
	return 0;
}

static int prepare(struct capture_device *device, const struct live_interface *interface,
		   char *error, size_t error_size)
{
	void *slots = mmap(NULL, (size_t)SLOTS * SLOT_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slots == MAP_FAILED) {
		snprintf(error, error_size, "capture:%s: no memory for %u frames", device->name,
			 SLOTS);
		return -ENOMEM;
	}
	device->slots = slots;
	for (uint32_t i = 0; i < SLOTS; i++)
		device->free[i] = i;
	device->free_count = SLOTS;
	device->link_type = pcap_link_type((uint32_t)pcap_datalink(device->handle));
	device->sends = device->link_type == 1;
	device->base.fd = pcap_get_selectable_fd(device->handle);
	device->base.frame_max = device->sends ? live_interface_frame_max(interface) : 0;
	return 0;
}

static int capture_open(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
			char *error, size_t error_size)
{
	bool promiscuous;
	const char *direction = packet_io_uri_get_text(uri, "direction", "in");
	if (strcmp(direction, "in") != 0 && strcmp(direction, "both") != 0) {
		snprintf(error, error_size,
			 "capture:%s: direction: expected in or both, found \"%s\"", uri->target,
			 direction);
		return -EINVAL;
	}
	int rc = packet_io_uri_get_flag(uri, "promiscuous", true, &promiscuous, error, error_size);
	struct live_interface interface;
	if (rc == 0)
		rc = live_interface_read(&interface, "capture", uri->target, error, error_size);
	if (rc < 0)
		return rc;

	struct capture_device *device = calloc(1, sizeof(*device));
	if (device == NULL)
		return -ENOMEM;
	device->base =
		(struct packet_io_device){.ops = &packet_io_capture_ops, .fd = -1, .live = true};
	memcpy(device->name, interface.name, sizeof(device->name));
	rc = activate(device, promiscuous, strcmp(direction, "both") == 0, error, error_size);
	if (rc == 0)
		rc = prepare(device, &interface, error, error_size);
	if (rc < 0) {
		capture_close(&device->base);
		return rc;
	}
	*ret_device = &device->base;
	return 0;
}

static const char *const capture_options[] = {"promiscuous", "direction", NULL};

const struct packet_io_ops packet_io_capture_ops = {
	.name = "capture",
	.options = capture_options,
	.open = capture_open,
	.close = capture_close,
	.rx = capture_rx,
	.release = capture_release,
	.tx = capture_tx,
	.read_stats = capture_read_stats,
};
