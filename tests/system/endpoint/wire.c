// SPDX-License-Identifier: Apache-2.0

// Stellar on a wire, packet by packet: what tcp_wire.py loads. IP packets go in at either side and
// come out at the other, or don't.

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/aqm.h>
#include <stellar/engine.h>
#include <stellar/stats.h>

#define ETHERNET_SIZE 14
#define FRAME_MAX 65600

struct wire {
	struct engine *engine;
	struct packet_io_device *sides[2];
	char error[256];
};

struct wire *wire_open(const char *plugin, uint64_t ttl_min);
const char *wire_error(const struct wire *wire);
int wire_cross(struct wire *wire, uint32_t side, const uint8_t *packet, size_t length,
	       uint64_t time_ns, uint8_t *ret_packet);
int64_t wire_close(struct wire *wire, uint64_t *ret_dropped);

static int open_engine(struct wire *wire, const char *plugin, uint64_t ttl_min)
{
	struct engine_config config;
	char *error = wire->error;
	size_t size = sizeof(wire->error);

	engine_config_init(&config);
	config.is_inline = true;
	config.midstream = 0;
	config.limits.ttl_min = ttl_min;
	if (packet_io_device_open("memory:near", &wire->sides[0], error, size) < 0 ||
	    packet_io_device_open("memory:far", &wire->sides[1], error, size) < 0 ||
	    engine_create(&config, &wire->engine, error, size) < 0 ||
	    engine_add_interface_device(wire->engine, "near", wire->sides[0], error, size) < 0 ||
	    engine_add_interface_device(wire->engine, "far", wire->sides[1], error, size) < 0 ||
	    engine_add_wire(wire->engine, 0, 1, true, error, size) < 0 ||
	    engine_load_plugin(wire->engine, plugin, error, size) < 0)
		return -1;
	return engine_start(wire->engine, error, size);
}

// Returns NULL without memory; else see wire_error.
struct wire *wire_open(const char *plugin, uint64_t ttl_min)
{
	struct wire *wire = calloc(1, sizeof(*wire));

	if (wire != NULL && open_engine(wire, plugin, ttl_min) == 0)
		wire->error[0] = '\0';
	return wire;
}

const char *wire_error(const struct wire *wire)
{
	return wire->error;
}

// One packet from a side. Returns the length of what came out at the other, 0: nothing, or -errno.
int wire_cross(struct wire *wire, uint32_t side, const uint8_t *packet, size_t length,
	       uint64_t time_ns, uint8_t *ret_packet)
{
	static uint8_t frame[FRAME_MAX] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	struct worker *worker = engine_get_worker(wire->engine, 0);
	struct packet *received;

	memcpy(frame + ETHERNET_SIZE, packet, length);
	int result =
		packet_io_memory_push(wire->sides[side], frame, ETHERNET_SIZE + length, time_ns);

	if (result == 0)
		result = worker_rx(worker, (uint16_t)side, &received);
	if (result < 0)
		return result;
	session_manager(worker, received);
	plugin_manager(worker, received);
	aqm_enqueue(worker, NULL, 0, received);
	result = packet_io_memory_pop(wire->sides[!side], frame, sizeof(frame));
	if (result <= ETHERNET_SIZE)
		return 0;
	memcpy(ret_packet, frame + ETHERNET_SIZE, (size_t)result - ETHERNET_SIZE);
	return result - ETHERNET_SIZE;
}

// Returns the imbalance of its ledger.
int64_t wire_close(struct wire *wire, uint64_t *ret_dropped)
{
	struct packet_stats packets = {0};
	int64_t imbalance = -1;

	*ret_dropped = 0;
	if (wire->engine != NULL && wire->error[0] == '\0') {
		worker_finish(engine_get_worker(wire->engine, 0));
		engine_get_packet_stats(wire->engine, &packets);
		imbalance = packet_stats_imbalance(&packets);
		for (size_t i = 0; i < STELLAR_DROP_REASON_COUNT; i++)
			*ret_dropped += packets.dropped[i];
	}
	engine_destroy(wire->engine);
	packet_io_device_close(wire->sides[0]);
	packet_io_device_close(wire->sides[1]);
	free(wire);
	return imbalance;
}
