// SPDX-License-Identifier: Apache-2.0

// xdp:IF, AF_XDP. One device is one socket on one rx queue, with memory of its own that the kernel
// and we share (umem): the first RX_FRAMES frames circulate fill ring -> rx ring -> lent -> fill
// ring, the other TX_FRAMES free list -> tx ring -> completion ring -> free list. Each ring has
// room for every frame that can be in it, so release and reaping can't fail, and tx says how much
// it took. The XDP program is xdp_redirect.c's business. Worker thread, but open and close.

#include "packet_io/device.h"
#include "packet_io/live_interface.h"
#include "packet_io/xdp_redirect.h"
#include "packet_io/xdp_redirect_maps.h"

#include <xdp/xsk.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RX_FRAMES 2048u
#define TX_FRAMES 2048u
#define UMEM_FRAMES (RX_FRAMES + TX_FRAMES)
// The kernel publishes what it took from the fill ring after it has published the received frames,
// so a frame can come back while its place still looks taken: twice the room is always enough.
#define FILL_RING_SIZE (2 * RX_FRAMES)
#define UMEM_FRAME_SIZE_MAX 4096u // bytes, and the kernel takes no more than a page
#define UMEM_FRAME_SIZE_MIN 2048u
#define KERNEL_HEADROOM 256u // XDP_PACKET_HEADROOM: what the kernel keeps before a received frame
#define LINK_HEADERS_MAX 22u // bytes: Ethernet and two VLAN tags
#define ETHERNET_HEADER_SIZE 14u
#define LINKTYPE_ETHERNET 1
#define SEND_BUFFER_BYTES (16 * 1024 * 1024)
#define IDLE_CALLS_PER_CHECK 256u
#define BIND_DEADLINE_MS 2000
#define BIND_RETRY_MS 5

struct xdp_device {
	struct packet_io_device base;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons completion;
	uint8_t *area; // the umem
	uint32_t frame_size; // bytes, a power of two
	uint32_t idle_calls; // of rx, since the last frame or check
	uint32_t tx_free_count;
	bool gone; // the interface
	uint64_t tx_free[TX_FRAMES]; // offsets in area

	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct live_interface interface;
	uint32_t queue_id;
	int promiscuous_fd; // holds the interface promiscuous while open, or -1
	char *pin;
	struct xdp_redirect redirect;
};

static int note_gone(struct xdp_device *device)
{
	device->gone = true;
	snprintf(device->base.error, sizeof(device->base.error), "xdp:%s: the interface is gone",
		 device->interface.name);
	return -ENETDOWN;
}

// The kernel tells by the socket's error that an interface was removed.
static int check_gone(struct xdp_device *device)
{
	int error = 0;
	socklen_t size = sizeof(error);
	if (device->gone)
		return -ENETDOWN;
	if (++device->idle_calls < IDLE_CALLS_PER_CHECK)
		return 0;
	device->idle_calls = 0;
	if (getsockopt(device->base.fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
	    error == ENETDOWN)
		return note_gone(device);
	return 0;
}

static uint32_t tx_waiting(const struct xdp_device *device)
{
	return *device->tx.producer - __atomic_load_n(device->tx.consumer, __ATOMIC_ACQUIRE);
}

// Have the kernel take what waits in the tx ring. In copy mode a call takes a limited number, so it
// is repeated while that gets on; what finds no room stays for the next call.
static int kick(struct xdp_device *device)
{
	uint32_t waiting = tx_waiting(device);
	while (waiting > 0) {
		if (!xsk_ring_prod__needs_wakeup(&device->tx))
			return 0;
		int rc = sendto(device->base.fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? -errno : 0;
		// ENETDOWN also says that the interface is down for a while.
		if (rc == -ENXIO || rc == -ENODEV ||
		    (rc == -ENETDOWN &&
		     if_nametoindex(device->interface.name) != device->interface.id))
			return note_gone(device);
		uint32_t left = tx_waiting(device);
		if (left >= waiting)
			return 0;
		waiting = left;
	}
	return 0;
}

static int xdp_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	struct xdp_device *device = (struct xdp_device *)base;
	uint32_t at;
	uint32_t received = xsk_ring_cons__peek(&device->rx, (uint32_t)count, &at);
	if (received == 0) {
		if (tx_waiting(device) > 0)
			(void)kick(device);
		return check_gone(device);
	}
	device->idle_calls = 0;
	for (uint32_t i = 0; i < received; i++) {
		const struct xdp_desc *descriptor = xsk_ring_cons__rx_desc(&device->rx, at + i);
		ret_frames[i] = (struct frame){
			.data = device->area + descriptor->addr,
			.length = descriptor->len,
			.wire_length = descriptor->len,
			.cookie = descriptor->addr & ~(uint64_t)(device->frame_size - 1),
			.link_type = LINKTYPE_ETHERNET,
		};
	}
	xsk_ring_cons__release(&device->rx, received);
	return (int)received;
}

static void xdp_release(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	struct xdp_device *device = (struct xdp_device *)base;
	uint32_t at;
	uint32_t reserved = xsk_ring_prod__reserve(&device->fill, (uint32_t)count, &at);
	assert(reserved == count); // FILL_RING_SIZE
	for (uint32_t i = 0; i < reserved; i++)
		*xsk_ring_prod__fill_addr(&device->fill, at + i) = frames[i].cookie;
	xsk_ring_prod__submit(&device->fill, reserved);
	if (xsk_ring_prod__needs_wakeup(&device->fill))
		(void)recvfrom(device->base.fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

// Take back the frames that the kernel has sent.
static void reap(struct xdp_device *device)
{
	uint32_t at;
	uint32_t done = xsk_ring_cons__peek(&device->completion, TX_FRAMES, &at);
	for (uint32_t i = 0; i < done; i++)
		device->tx_free[device->tx_free_count++] =
			*xsk_ring_cons__comp_addr(&device->completion, at + i);
	xsk_ring_cons__release(&device->completion, done);
}

static int check_length(struct xdp_device *device, const struct frame *frame)
{
	if (frame->length >= ETHERNET_HEADER_SIZE && frame->length <= device->base.frame_max)
		return 0;
	snprintf(device->base.error, sizeof(device->base.error),
		 "xdp:%s: expected a frame of %u to %u bytes, found %u", device->interface.name,
		 ETHERNET_HEADER_SIZE, device->base.frame_max, frame->length);
	return -EMSGSIZE;
}

static int xdp_tx(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	struct xdp_device *device = (struct xdp_device *)base;
	if (device->gone)
		return -ENETDOWN;
	reap(device);
	if (device->tx_free_count < count) {
		(void)kick(device);
		reap(device);
	}
	size_t taken = 0;
	int rc = 0;
	while (taken < count && device->tx_free_count > 0) {
		const struct frame *frame = &frames[taken];
		uint32_t at;
		rc = check_length(device, frame);
		if (rc < 0 || xsk_ring_prod__reserve(&device->tx, 1, &at) == 0)
			break;
		uint64_t offset = device->tx_free[--device->tx_free_count];
		memcpy(device->area + offset, frame->data, frame->length);
		*xsk_ring_prod__tx_desc(&device->tx, at) =
			(struct xdp_desc){.addr = offset, .len = frame->length};
		taken++;
	}
	if (taken == 0)
		return rc;
	xsk_ring_prod__submit(&device->tx, (uint32_t)taken);
	return (int)taken;
}

static int xdp_flush(struct packet_io_device *base)
{
	struct xdp_device *device = (struct xdp_device *)base;
	return device->gone ? -ENETDOWN : kick(device);
}

static void xdp_read_stats(const struct packet_io_device *base, struct packet_io_stats *stats)
{
	struct xdp_statistics kernel = {0};
	socklen_t size = sizeof(kernel);
	if (getsockopt(base->fd, SOL_XDP, XDP_STATISTICS, &kernel, &size) < 0)
		return;
	stats->rx_missed = kernel.rx_dropped + kernel.rx_ring_full;
	stats->tx_errors += kernel.tx_invalid_descs;
}

static void close_socket(struct xdp_device *device)
{
	if (device->socket != NULL)
		xsk_socket__delete(device->socket);
	if (device->umem != NULL)
		xsk_umem__delete(device->umem);
	device->socket = NULL;
	device->umem = NULL;
}

// The program stays, and with it the declared fail action; the kernel takes a closed socket out of
// its map.
static void xdp_close(struct packet_io_device *base)
{
	struct xdp_device *device = (struct xdp_device *)base;
	close_socket(device);
	xdp_redirect_fini(&device->redirect);
	if (device->promiscuous_fd >= 0)
		close(device->promiscuous_fd);
	if (device->area != NULL)
		munmap(device->area, (size_t)UMEM_FRAMES * device->frame_size);
	free(device->pin);
	free(device);
}

static int open_socket_once(struct xdp_device *device, const char **ret_step)
{
	const struct xsk_umem_config umem_config = {
		.fill_size = FILL_RING_SIZE,
		.comp_size = TX_FRAMES,
		.frame_size = device->frame_size,
	};
	const struct xsk_socket_config socket_config = {
		.rx_size = RX_FRAMES,
		.tx_size = TX_FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	*ret_step = "sharing memory with the kernel";
	int rc = xsk_umem__create(&device->umem, device->area,
				  (uint64_t)UMEM_FRAMES * device->frame_size, &device->fill,
				  &device->completion, &umem_config);
	if (rc < 0)
		return rc;
	*ret_step = "binding to the queue";
	return xsk_socket__create(&device->socket, device->interface.name, device->queue_id,
				  device->umem, &device->rx, &device->tx, &socket_config);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// The kernel frees the queue of a process that was killed a little after its death, so a queue in
// use is waited for.
static int open_socket(struct xdp_device *device, char *error, size_t error_size)
{
	const struct timespec pause = {.tv_nsec = BIND_RETRY_MS * 1000000};
	int64_t deadline_ms = now_ms() + BIND_DEADLINE_MS;
	const char *step = "";
	int rc;
	while ((rc = open_socket_once(device, &step)) == -EBUSY && now_ms() < deadline_ms) {
		close_socket(device);
		nanosleep(&pause, NULL);
	}
	if (rc < 0) {
		snprintf(error, error_size, "xdp:%s: %s %u: %s%s", device->interface.name, step,
			 device->queue_id, strerror(-rc),
			 rc == -EPERM	 ? " (needs CAP_NET_RAW, and CAP_IPC_LOCK or memlock)"
			 : rc == -EINVAL ? " (is there such a queue?)"
					 : "");
		return rc;
	}
	device->base.fd = xsk_socket__fd(device->socket);

	// In copy mode what was sent and not yet taken by the receiver counts against this.
	int bytes = SEND_BUFFER_BYTES;
	if (setsockopt(device->base.fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(device->base.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));

	for (uint32_t i = 0; i < TX_FRAMES; i++)
		device->tx_free[i] = (uint64_t)(RX_FRAMES + i) * device->frame_size;
	device->tx_free_count = TX_FRAMES;
	uint32_t at;
	uint32_t reserved = xsk_ring_prod__reserve(&device->fill, RX_FRAMES, &at);
	for (uint32_t i = 0; i < reserved; i++)
		*xsk_ring_prod__fill_addr(&device->fill, at + i) = (uint64_t)i * device->frame_size;
	xsk_ring_prod__submit(&device->fill, reserved);
	return 0;
}

// A frame must fit into one umem frame behind the kernel's headroom.
static int make_area(struct xdp_device *device, char *error, size_t error_size)
{
	uint32_t needed = device->interface.mtu + LINK_HEADERS_MAX + KERNEL_HEADROOM;
	if (needed > UMEM_FRAME_SIZE_MAX) {
		snprintf(error, error_size, "xdp:%s: expected an MTU of at most %u, found %u",
			 device->interface.name,
			 UMEM_FRAME_SIZE_MAX - LINK_HEADERS_MAX - KERNEL_HEADROOM,
			 device->interface.mtu);
		return -EMSGSIZE;
	}
	device->frame_size =
		needed > UMEM_FRAME_SIZE_MIN ? UMEM_FRAME_SIZE_MAX : UMEM_FRAME_SIZE_MIN;
	void *area = mmap(NULL, (size_t)UMEM_FRAMES * device->frame_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (area == MAP_FAILED) {
		snprintf(error, error_size, "xdp:%s: no memory for %u frames",
			 device->interface.name, UMEM_FRAMES);
		return -ENOMEM;
	}
	device->area = area;
	device->base.frame_max = live_interface_frame_max(&device->interface);
	return 0;
}

// A wire's interface must take frames that are for other machines.
static int make_promiscuous(struct xdp_device *device, char *error, size_t error_size)
{
	const struct packet_mreq request = {
		.mr_ifindex = (int)device->interface.id,
		.mr_type = PACKET_MR_PROMISC,
	};
	// Protocol 0: this socket receives nothing.
	device->promiscuous_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (device->promiscuous_fd < 0 ||
	    setsockopt(device->promiscuous_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request,
		       sizeof(request)) < 0) {
		int rc = -errno;
		snprintf(error, error_size, "xdp:%s: promiscuous: %s%s", device->interface.name,
			 strerror(-rc), rc == -EPERM ? " (needs CAP_NET_RAW)" : "");
		return rc;
	}
	return 0;
}

struct open_options {
	uint32_t queue_id;
	uint32_t peer_id; // 0: fail closed
	bool promiscuous;
	enum xdp_redirect_mode mode;
};

static int read_fail_action(const struct packet_io_uri *uri, struct open_options *options,
			    char *error, size_t error_size)
{
	const char *fail = packet_io_uri_get_text(uri, "fail", "closed");
	const char *peer = packet_io_uri_get_text(uri, "peer", NULL);
	if (strcmp(fail, "closed") != 0 && strcmp(fail, "open") != 0) {
		snprintf(error, error_size, "xdp:%s: fail: expected closed or open, found \"%s\"",
			 uri->target, fail);
		return -EINVAL;
	}
	bool open = strcmp(fail, "open") == 0;
	if (open != (peer != NULL)) {
		snprintf(error, error_size, "xdp:%s: expected fail=open and peer=IF together",
			 uri->target);
		return -EINVAL;
	}
	if (!open)
		return 0;
	struct live_interface interface;
	int rc = live_interface_read(&interface, "xdp", peer, error, error_size);
	if (rc < 0)
		return rc;
	options->peer_id = interface.id;
	return 0;
}

static int read_options(const struct packet_io_uri *uri, struct open_options *ret_options,
			char *error, size_t error_size)
{
	static const char *const modes[XDP_REDIRECT_MODE_COUNT] = {
		[XDP_REDIRECT_AUTO] = "auto",
		[XDP_REDIRECT_NATIVE] = "native",
		[XDP_REDIRECT_GENERIC] = "generic",
	};
	const char *mode = packet_io_uri_get_text(uri, "mode", "auto");
	*ret_options = (struct open_options){0};
	while (ret_options->mode < XDP_REDIRECT_MODE_COUNT &&
	       strcmp(modes[ret_options->mode], mode) != 0)
		ret_options->mode++;
	if (ret_options->mode == XDP_REDIRECT_MODE_COUNT) {
		snprintf(error, error_size,
			 "xdp:%s: mode: expected auto, native or generic, found \"%s\"",
			 uri->target, mode);
		return -EINVAL;
	}
	int rc = packet_io_uri_get_number(uri, "queue", 0, 0, XDP_REDIRECT_QUEUES_MAX - 1,
					  &ret_options->queue_id, error, error_size);
	if (rc == 0)
		rc = packet_io_uri_get_flag(uri, "promiscuous", true, &ret_options->promiscuous,
					    error, error_size);
	return rc < 0 ? rc : read_fail_action(uri, ret_options, error, error_size);
}

// The queues that no device serves would fall to the fail action, with the engine alive: whoever
// opens one of many must say so.
static int check_queues(const struct packet_io_uri *uri, const struct live_interface *interface,
			char *error, size_t error_size)
{
	if (interface->rx_queues == 1 || packet_io_uri_get_text(uri, "queue", NULL) != NULL)
		return 0;
	snprintf(error, error_size,
		 "xdp:%s: expected one rx queue, found %u: open each with ?queue=N, or ethtool -L",
		 interface->name, interface->rx_queues);
	return -EINVAL;
}

// In this order no frame is lost when the program is there already, and none goes round the
// declared fail action when it isn't.
static int open_steps(struct xdp_device *device, const struct open_options *options, char *error,
		      size_t error_size)
{
	int rc = make_area(device, error, error_size);
	if (rc == 0)
		rc = xdp_redirect_init(&device->redirect, device->interface.name,
				       device->interface.id, options->mode, device->pin, error,
				       error_size);
	if (rc == 0)
		rc = open_socket(device, error, error_size);
	if (rc == 0 && options->promiscuous)
		rc = make_promiscuous(device, error, error_size);
	if (rc == 0)
		rc = xdp_redirect_set_peer(&device->redirect, options->peer_id, error, error_size);
	if (rc == 0)
		rc = xdp_redirect_set_socket(&device->redirect, device->queue_id, device->base.fd,
					     error, error_size);
	if (rc == 0)
		rc = xdp_redirect_attach(&device->redirect, error, error_size);
	return rc;
}

static int xdp_open(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
		    char *error, size_t error_size)
{
	struct live_interface interface;
	struct open_options options;
	int rc = live_interface_read(&interface, "xdp", uri->target, error, error_size);
	if (rc == 0)
		rc = read_options(uri, &options, error, error_size);
	if (rc == 0)
		rc = check_queues(uri, &interface, error, error_size);
	if (rc < 0)
		return rc;

	struct xdp_device *device = calloc(1, sizeof(*device));
	if (device == NULL)
		return -ENOMEM;
	device->base = (struct packet_io_device){.ops = &packet_io_xdp_ops, .fd = -1, .live = true};
	device->interface = interface;
	device->queue_id = options.queue_id;
	device->promiscuous_fd = -1;
	device->redirect = (struct xdp_redirect){
		.program_fd = -1, .sockets_fd = -1, .peer_fd = -1, .attached_fd = -1};
	const char *pin = packet_io_uri_get_text(uri, "pin", NULL);
	device->pin = pin != NULL ? strdup(pin) : NULL;
	rc = pin != NULL && device->pin == NULL ? -ENOMEM
						: open_steps(device, &options, error, error_size);
	if (rc < 0) {
		xdp_close(&device->base);
		return rc;
	}
	*ret_device = &device->base;
	return 0;
}

static const char *const xdp_options[] = {"queue", "fail",	  "peer", "mode",
					  "pin",   "promiscuous", NULL};

int packet_io_xdp_detach(const char *device, char *error, size_t error_size)
{
	struct packet_io_uri uri = {.kind = "xdp", .target = device};
	int rc = 0;
	if (strncmp(device, "xdp:", 4) == 0) {
		rc = packet_io_uri_parse(&uri, device, error, error_size);
		if (rc == 0)
			rc = packet_io_uri_check_options(&uri, xdp_options, error, error_size);
	}
	struct live_interface interface;
	if (rc == 0)
		rc = live_interface_read(&interface, "xdp", uri.target, error, error_size);
	if (rc < 0)
		return rc;
	return xdp_redirect_detach(interface.name, interface.id,
				   packet_io_uri_get_text(&uri, "pin", NULL), error, error_size);
}

const struct packet_io_ops packet_io_xdp_ops = {
	.name = "xdp",
	.options = xdp_options,
	.open = xdp_open,
	.close = xdp_close,
	.rx = xdp_rx,
	.release = xdp_release,
	.tx = xdp_tx,
	.flush = xdp_flush,
	.read_stats = xdp_read_stats,
};
