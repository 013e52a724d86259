// SPDX-License-Identifier: Apache-2.0

#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "packet/checksum.h"

#define ETHERNET_SIZE 14
#define IPV4_SIZE 20
#define TCP_SIZE 20
#define UDP_SIZE 8
#define START_NS 1700000000000000000ull

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

// Ethernet and IPv4 between 192.0.2.1 (originator) and 198.51.100.2.
static void write_headers(uint8_t *frame, uint8_t protocol, size_t length, bool from_responder)
{
	static const uint8_t addresses[2][4] = {{192, 0, 2, 1}, {198, 51, 100, 2}};
	uint8_t *ip = frame + ETHERNET_SIZE;

	memset(frame, 0, ETHERNET_SIZE + IPV4_SIZE);
	frame[0] = frame[6] = 2;
	frame[from_responder ? 11 : 5] = 1;
	frame[12] = 8;
	ip[0] = 0x45;
	write_u16(ip + 2, (uint16_t)(IPV4_SIZE + length));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, addresses[from_responder], 4);
	memcpy(ip + 16, addresses[!from_responder], 4);
	write_u16(ip + 10, checksum_fold(checksum_partial(ip, IPV4_SIZE, 0)));
}

static void write_checksum(uint8_t *frame, uint8_t protocol, size_t length, size_t offset)
{
	const uint8_t *ip = frame + ETHERNET_SIZE;
	uint8_t *transport = frame + ETHERNET_SIZE + IPV4_SIZE;
	uint64_t sum = checksum_pseudo(ip + 12, ip + 16, 4, protocol, (uint32_t)length);

	write_u16(transport + offset, checksum_fold(checksum_partial(transport, length, sum)));
}

void harness_open(struct harness *harness, const struct engine_config *config)
{
	struct engine_config defaults;
	char error[256] = "";

	engine_config_init(&defaults);
	defaults.is_inline = true;
	defaults.session_capacity = 1024;
	defaults.hash_seed[0] = 1;
	*harness = (struct harness){.time_ns = START_NS};
	assert_int_equal(engine_create(config != NULL ? config : &defaults, &harness->engine, error,
				       sizeof(error)),
			 0);
	assert_int_equal(
		packet_io_device_open("memory:inside", &harness->inside, error, sizeof(error)), 0);
	assert_int_equal(
		packet_io_device_open("memory:outside", &harness->outside, error, sizeof(error)),
		0);
	assert_int_equal(engine_add_interface_device(harness->engine, "inside", harness->inside,
						     error, sizeof(error)),
			 0);
	assert_int_equal(engine_add_interface_device(harness->engine, "outside", harness->outside,
						     error, sizeof(error)),
			 1);
	assert_int_equal(engine_add_wire(harness->engine, 0, 1, true, error, sizeof(error)), 0);
}

static void log_call(struct session *session, void *context)
{
	struct harness_plugin *plugin = pm_session_host_data(session);
	char *log = plugin->harness->log;
	size_t used = strlen(log);

	snprintf(log + used, HARNESS_LOG_SIZE - used, "%s:%s ", plugin->plugin.name,
		 stellar_event_name(session_get_event(session)->type));
	if (plugin->react != NULL)
		plugin->react(plugin->harness, session, context);
}

static int count_init(struct session *session, void *context)
{
	struct harness_plugin *plugin = pm_session_host_data(session);

	plugin->inits++;
	*(uint64_t *)context = 1;
	return 0;
}

static void count_free(struct session *session, void *context)
{
	struct harness_plugin *plugin = pm_session_host_data(session);

	assert_int_not_equal(*(uint64_t *)context, 0);
	plugin->frees++;
}

void harness_add_plugin(struct harness *harness, struct harness_plugin *plugin, const char *name,
			uint64_t events, harness_react_fn react)
{
	char error[256] = "";

	*plugin = (struct harness_plugin){
		.plugin =
			{
				STELLAR_PLUGIN_HEADER,
				.name = name,
				.version = "1",
				.events = events,
				.context_size = sizeof(uint64_t),
				.fail_action = STELLAR_FAIL_OPEN,
				.context_init = count_init,
				.context_free = count_free,
				.entry = log_call,
			},
		.harness = harness,
		.react = react,
	};
	if (engine_add_plugin(harness->engine, &plugin->plugin, plugin, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

void harness_start(struct harness *harness)
{
	char error[256] = "";

	if (engine_start(harness->engine, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	harness->worker = engine_get_worker(harness->engine, 0);
}

void harness_close(struct harness *harness)
{
	if (harness->worker != NULL) {
		worker_finish(harness->worker);
		harness_balance(harness);
	}
	engine_destroy(harness->engine);
	packet_io_device_close(harness->inside);
	packet_io_device_close(harness->outside);
}

struct verdict harness_send(struct harness *harness, const uint8_t *frame, size_t length,
			    bool from_outside)
{
	struct packet_io_device *device = from_outside ? harness->outside : harness->inside;
	struct packet *packet;
	struct verdict verdict;

	assert_int_equal(packet_io_memory_push(device, frame, length, harness->time_ns), 0);
	assert_int_equal(worker_rx(harness->worker, from_outside, &packet), 1);
	session_manager(harness->worker, packet);
	plugin_manager(harness->worker, packet);
	verdict = *packet_get_verdict(packet);
	aqm_enqueue(harness->worker, NULL, 0, packet);
	harness->time_ns += 1000000;
	return verdict;
}

struct verdict harness_send_segment(struct harness *harness, const struct harness_segment *segment)
{
	return harness_send_payload(harness, segment, "");
}

struct verdict harness_send_payload(struct harness *harness, const struct harness_segment *segment,
				    const char *payload)
{
	uint8_t frame[ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE + 256];
	uint8_t *tcp = frame + ETHERNET_SIZE + IPV4_SIZE;
	size_t payload_length = strlen(payload);
	size_t length = TCP_SIZE + payload_length;

	assert_true(payload_length <= 256);
	write_headers(frame, 6, length, segment->from_responder);
	memset(tcp, 0, TCP_SIZE);
	write_u16(tcp, segment->from_responder ? segment->destination_port : segment->source_port);
	write_u16(tcp + 2,
		  segment->from_responder ? segment->source_port : segment->destination_port);
	write_u32(tcp + 4, segment->sequence);
	write_u32(tcp + 8, segment->acknowledgment);
	tcp[12] = 5 << 4;
	tcp[13] = segment->flags;
	write_u16(tcp + 14, 65535);
	memcpy(tcp + TCP_SIZE, payload, payload_length);
	write_checksum(frame, 6, length, 16);
	return harness_send(harness, frame, ETHERNET_SIZE + IPV4_SIZE + length,
			    segment->from_responder);
}

struct verdict harness_send_datagram(struct harness *harness, uint16_t source_port,
				     uint16_t destination_port, const char *payload,
				     bool from_responder)
{
	uint8_t frame[ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE + 256];
	uint8_t *udp = frame + ETHERNET_SIZE + IPV4_SIZE;
	size_t length = UDP_SIZE + strlen(payload);

	assert_true(length <= UDP_SIZE + 256);
	write_headers(frame, 17, length, from_responder);
	memset(udp, 0, UDP_SIZE);
	write_u16(udp, from_responder ? destination_port : source_port);
	write_u16(udp + 2, from_responder ? source_port : destination_port);
	write_u16(udp + 4, (uint16_t)length);
	memcpy(udp + UDP_SIZE, payload, length - UDP_SIZE);
	write_checksum(frame, 17, length, 6);
	return harness_send(harness, frame, ETHERNET_SIZE + IPV4_SIZE + length, from_responder);
}

size_t harness_drain(struct harness *harness, bool outside)
{
	uint8_t frame[2048];
	size_t count = 0;

	while (packet_io_memory_pop(outside ? harness->outside : harness->inside, frame,
				    sizeof(frame)) > 0)
		count++;
	return count;
}

struct packet_stats harness_balance(struct harness *harness)
{
	struct packet_stats stats;

	engine_get_packet_stats(harness->engine, &stats);
	assert_int_equal(packet_stats_imbalance(&stats), 0);
	return stats;
}
