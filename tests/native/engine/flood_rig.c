// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE // clock_gettime

#include "flood_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stellar/aqm.h>

#include "packet/checksum.h"

#define ETHERNET_SIZE 14u
#define IPV4_SIZE 20u
#define TCP_SIZE 20u
#define PAYLOAD_MAX 1400u
#define FRAME_MAX (ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE + PAYLOAD_MAX)
#define DEVICE_FRAMES 256u
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define MORE_FRAGMENTS 0x2000u

static void need(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "flood: %s\n", what);
	abort();
}

static uint64_t cpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * FLOOD_SECOND_NS + (uint64_t)now.tv_nsec;
}

static void write_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void write_u32(uint8_t *at, uint32_t value)
{
	write_u16(at, (uint16_t)(value >> 16));
	write_u16(at + 2, (uint16_t)value);
}

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void flood_rig_open(struct flood_rig *rig, const struct engine_config *config, uint64_t seed)
{
	static const char *const names[2] = {"inside", "outside"};
	char uri[64];
	char error[256] = "";

	*rig = (struct flood_rig){.random = seed * 2 + 1};
	need(engine_create(config, &rig->engine, error, sizeof(error)) == 0, error);
	for (int i = 0; i < 2; i++) {
		snprintf(uri, sizeof(uri), "memory:%s?frames=%u", names[i], DEVICE_FRAMES);
		need(packet_io_device_open(uri, &rig->devices[i], error, sizeof(error)) == 0,
		     error);
		need(engine_add_interface_device(rig->engine, names[i], rig->devices[i], error,
						 sizeof(error)) == i,
		     error);
	}
	need(engine_add_wire(rig->engine, 0, 1, true, error, sizeof(error)) == 0, error);
}

void flood_rig_close(struct flood_rig *rig)
{
	struct packet_stats stats;

	flood_rig_settle(rig);
	worker_finish(rig->worker);
	engine_get_packet_stats(rig->engine, &stats);
	need(packet_stats_imbalance(&stats) == 0, "packets are not conserved");
	engine_destroy(rig->engine);
	packet_io_device_close(rig->devices[0]);
	packet_io_device_close(rig->devices[1]);
}

uint64_t flood_rig_random(struct flood_rig *rig)
{
	// SplitMix64 (Steele, Lea, Flood 2014).
	uint64_t mixed = rig->random += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

uint64_t flood_resident_bytes(void)
{
	// Counted page by page; statm may be off by megabytes.
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	uint64_t kib = 0;
	char line[128];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		unsigned long long more = 0;

		// Reserved huge pages are not in the first.
		if (sscanf(line, "Rss: %llu kB", &more) == 1 ||
		    sscanf(line, "Private_Hugetlb: %llu kB", &more) == 1)
			kib += more;
	}
	if (file != NULL)
		fclose(file);
	return kib * 1024;
}

// What left by either end.
static void collect(struct flood_rig *rig)
{
	uint8_t frame[FRAME_MAX];

	for (int i = 0; i < 2; i++)
		while (packet_io_memory_pop(rig->devices[i], frame, sizeof(frame)) > 0)
			if (rig->forwarded != NULL)
				rig->forwarded(rig->owner, frame[1], read_u32(frame + 2));
}

void flood_rig_settle(struct flood_rig *rig)
{
	struct packet *packet;
	uint64_t begin_ns = cpu_now_ns();

	for (uint32_t i = 0; i < rig->waiting; i++) {
		need(worker_rx(rig->worker, rig->from_outside[i], &packet) == 1, "a frame is gone");
		session_manager(rig->worker, packet);
		plugin_manager(rig->worker, packet);
		aqm_enqueue(rig->worker, NULL, 0, packet);
	}
	rig->cpu_ns += cpu_now_ns() - begin_ns;
	rig->packets += rig->waiting;
	rig->waiting = 0;
	// One that finds nothing publishes.
	need(worker_rx(rig->worker, 0, &packet) == 0, "a frame is too many");
	collect(rig);
}

static void push(struct flood_rig *rig, const uint8_t *frame, size_t length, bool from_outside,
		 uint64_t time_ns)
{
	need(packet_io_memory_push(rig->devices[from_outside], frame, length, time_ns) == 0,
	     "a device is full");
	rig->from_outside[rig->waiting++] = from_outside;
	if (rig->waiting == FLOOD_BLOCK)
		flood_rig_settle(rig);
}

void flood_rig_start(struct flood_rig *rig)
{
	static const uint8_t not_ip[FRAME_MAX] = {[12] = 8, [13] = 6};
	char error[256] = "";

	need(engine_start(rig->engine, error, sizeof(error)) == 0, error);
	rig->worker = engine_get_worker(rig->engine, 0);
	// Each place of the devices has been used, so that their memory does not count later.
	for (uint32_t i = 0; i < 2 * DEVICE_FRAMES; i++)
		push(rig, not_ip, sizeof(not_ip), i % 2 != 0, FLOOD_START_NS);
	flood_rig_settle(rig);
}

// Ethernet and IPv4.
static void write_headers(uint8_t *frame, uint32_t source, uint32_t destination, uint8_t protocol,
			  uint32_t length)
{
	uint8_t *ip = frame + ETHERNET_SIZE;

	memset(frame, 0, ETHERNET_SIZE + IPV4_SIZE);
	frame[0] = frame[6] = 2;
	frame[12] = 8;
	ip[0] = 0x45;
	write_u16(ip + 2, (uint16_t)(IPV4_SIZE + length));
	ip[8] = 64;
	ip[9] = protocol;
	write_u32(ip + 12, source);
	write_u32(ip + 16, destination);
}

static void write_sender(uint8_t *frame, uint8_t kind, uint32_t who)
{
	uint8_t *ip = frame + ETHERNET_SIZE;

	frame[1] = kind;
	write_u32(frame + 2, who);
	write_u16(ip + 10, checksum_fold(checksum_partial(ip, IPV4_SIZE, 0)));
}

void flood_rig_send_segment(struct flood_rig *rig, const struct flood_segment *segment,
			    uint64_t time_ns)
{
	uint8_t frame[FRAME_MAX];
	uint8_t *ip = frame + ETHERNET_SIZE;
	uint8_t *tcp = ip + IPV4_SIZE;
	uint32_t length = TCP_SIZE + segment->length;

	need(segment->length <= PAYLOAD_MAX, "a segment is too long");
	write_headers(frame, segment->source.address, segment->destination.address, PROTOCOL_TCP,
		      length);
	write_sender(frame, segment->kind, segment->who);
	memset(tcp, 0, TCP_SIZE);
	write_u16(tcp, segment->source.port);
	write_u16(tcp + 2, segment->destination.port);
	write_u32(tcp + 4, segment->sequence);
	write_u32(tcp + 8, segment->acknowledgment);
	tcp[12] = 5 << 4;
	tcp[13] = segment->flags;
	write_u16(tcp + 14, UINT16_MAX);
	memset(tcp + TCP_SIZE, segment->fill, segment->length);
	uint64_t sum = checksum_pseudo(ip + 12, ip + 16, 4, PROTOCOL_TCP, length);
	write_u16(tcp + 16, checksum_fold(checksum_partial(tcp, length, sum)));
	push(rig, frame, ETHERNET_SIZE + IPV4_SIZE + length, segment->from_outside, time_ns);
}

void flood_rig_send_piece(struct flood_rig *rig, const struct flood_piece *piece, uint64_t time_ns)
{
	uint8_t frame[FRAME_MAX];
	uint8_t *ip = frame + ETHERNET_SIZE;

	need(piece->length <= PAYLOAD_MAX, "a piece is too long");
	write_headers(frame, piece->source, piece->destination, PROTOCOL_UDP, piece->length);
	write_u16(ip + 4, piece->datagram);
	write_u16(ip + 6, (uint16_t)(piece->offset / 8u | (piece->more ? MORE_FRAGMENTS : 0)));
	write_sender(frame, piece->kind, piece->who);
	memset(ip + IPV4_SIZE, 0, piece->length);
	if (piece->offset == 0) {
		write_u16(ip + IPV4_SIZE, (uint16_t)(1024 + (piece->who & 0x7fff)));
		write_u16(ip + IPV4_SIZE + 2, 53);
		// The whole of an honest one; no checksum.
		write_u16(ip + IPV4_SIZE + 4, (uint16_t)((piece->more ? 3 : 1) * piece->length));
	}
	push(rig, frame, ETHERNET_SIZE + IPV4_SIZE + piece->length, false, time_ns);
}
