// SPDX-License-Identifier: Apache-2.0

// The packet_io_loop of the document Stellar starts from, written out by a caller in its spellings:
// each stage called by name through <stellar/engine.h>, on memory devices.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/seed_names.h>

#include "packet/checksum.h"

#define FRAME_SIZE 60
#define DATAGRAMS 100
#define PORT_REFUSED 23

struct network {
	struct engine *engine;
	struct packet_io_device *inside;
	struct packet_io_device *outside;
};

// A UDP datagram of 18 bytes from 192.0.2.1:port, without a UDP checksum, as IPv4 permits.
static void write_datagram(uint8_t *ret_frame, uint16_t source_port, uint16_t destination_port)
{
	static const uint8_t headers[42] = {
		2,    0, 0, 0,	0,   1,	 2,   0, 0,  0,	 0, 2, 0x08, 0x00, // Ethernet
		0x45, 0, 0, 46, 0,   0,	 0,   0, 64, 17, 0, 0, // IPv4
		192,  0, 2, 1,	198, 51, 100, 2, // addresses
		0,    0, 0, 0,	0,   26, 0,   0, // UDP
	};
	uint16_t sum;

	memset(ret_frame, 'x', FRAME_SIZE);
	memcpy(ret_frame, headers, sizeof(headers));
	sum = checksum_fold(checksum_partial(ret_frame + 14, 20, 0));
	ret_frame[24] = (uint8_t)(sum >> 8);
	ret_frame[25] = (uint8_t)sum;
	ret_frame[34] = (uint8_t)(source_port >> 8);
	ret_frame[35] = (uint8_t)source_port;
	ret_frame[36] = (uint8_t)(destination_port >> 8);
	ret_frame[37] = (uint8_t)destination_port;
}

static void refuse_port(struct session *session, void *ctx)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	if (responder.port == PORT_REFUSED)
		session_drop_current_packet(session);
}

static const struct plugin refuser = {
	STELLAR_PLUGIN_HEADER, .name = "refuser",
	.version = "1",	       .events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET),
	.entry = refuse_port,
};

static void network_open(struct network *network)
{
	struct engine_config config;
	char error[256] = "";

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = 1024;
	assert_int_equal(engine_create(&config, &network->engine, error, sizeof(error)), 0);
	assert_int_equal(packet_io_device_open("memory:in", &network->inside, error, sizeof(error)),
			 0);
	assert_int_equal(
		packet_io_device_open("memory:out", &network->outside, error, sizeof(error)), 0);
	assert_int_equal(engine_add_interface_device(network->engine, "in", network->inside, error,
						     sizeof(error)),
			 0);
	assert_int_equal(engine_add_interface_device(network->engine, "out", network->outside,
						     error, sizeof(error)),
			 1);
	assert_int_equal(engine_add_wire(network->engine, 0, 1, true, error, sizeof(error)), 0);
	assert_int_equal(engine_add_plugin(network->engine, &refuser, NULL, error, sizeof(error)),
			 0);
	assert_int_equal(engine_start(network->engine, error, sizeof(error)), 0);
}

static void network_close(struct network *network)
{
	engine_destroy(network->engine);
	packet_io_device_close(network->inside);
	packet_io_device_close(network->outside);
}

// The seed's loop. Its packet_io_device_rx became worker_rx, which receives into the worker's own
// packet. Returns bytes handed to the scheduler.
static size_t packet_io_loop(struct worker *worker, uint16_t interface_id)
{
	struct stellar_packet *rx_pkt;
	size_t bytes = 0;

	while (worker_rx(worker, interface_id, &rx_pkt) == 1) {
		size_t pkt_sz;

		session_manager(worker, rx_pkt);
		plugin_manager(worker, rx_pkt);
		uint32_t rl_group_id = pkt_get_group_id(rx_pkt);
		const void *raw_pkt = pkt_get_raw(rx_pkt);

		assert_ptr_equal(raw_pkt, packet_get_raw(rx_pkt, &pkt_sz));
		bytes += pkt_sz;
		assert_int_equal(AMQ_enqueue(worker, &rl_group_id, 1, rx_pkt), 0);
	}
	return bytes;
}

static void test_loop_forwards_what_no_plugin_refuses(void **state)
{
	struct network network;
	struct session_stats sessions;
	struct packet_stats packets;
	uint8_t frame[FRAME_SIZE];
	uint8_t received[FRAME_SIZE * 2];

	network_open(&network);
	struct worker *worker = engine_get_worker(network.engine, 0);

	for (uint16_t i = 0; i < DATAGRAMS; i++) {
		write_datagram(frame, (uint16_t)(1000 + i), i % 4 == 0 ? PORT_REFUSED : 53);
		assert_int_equal(packet_io_memory_push(network.inside, frame, FRAME_SIZE,
						       1700000000000000000u + i),
				 0);
	}
	assert_int_equal(packet_io_loop(worker, 0), DATAGRAMS * FRAME_SIZE);
	worker_finish(worker);

	engine_get_packet_stats(network.engine, &packets);
	engine_get_session_stats(network.engine, &sessions);
	assert_int_equal(packets.received, DATAGRAMS);
	assert_int_equal(packets.forwarded, DATAGRAMS * 3 / 4);
	assert_int_equal(packets.dropped[STELLAR_DROPPED_PLUGIN], DATAGRAMS / 4);
	assert_int_equal(packet_stats_imbalance(&packets), 0);
	assert_int_equal(sessions.created, DATAGRAMS);
	assert_int_equal(sessions.closed[STELLAR_CLOSED_SHUTDOWN], DATAGRAMS);
	for (uint16_t i = 0; i < DATAGRAMS; i++) {
		if (i % 4 == 0)
			continue;
		write_datagram(frame, (uint16_t)(1000 + i), 53);
		assert_int_equal(packet_io_memory_pop(network.outside, received, sizeof(received)),
				 FRAME_SIZE);
		assert_memory_equal(received, frame, FRAME_SIZE);
	}
	assert_int_equal(packet_io_memory_pop(network.outside, received, sizeof(received)), 0);
	network_close(&network);
}

static void test_loop_on_an_idle_interface_does_nothing(void **state)
{
	struct network network;
	struct packet_stats packets;

	network_open(&network);

	assert_int_equal(packet_io_loop(engine_get_worker(network.engine, 0), 1), 0);

	engine_get_packet_stats(network.engine, &packets);
	assert_int_equal(packets.received, 0);
	network_close(&network);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_forwards_what_no_plugin_refuses),
		cmocka_unit_test(test_loop_on_an_idle_interface_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
