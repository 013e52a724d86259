// SPDX-License-Identifier: Apache-2.0

// The engine's set-up and tear-down, its topology, and what other threads may read of it. Control
// thread, but for the reading functions: any thread. <stellar/engine.h> has the contracts.

#include "engine/recording_replay.h"
#include "engine/spread.h"
#include "engine/spread_replay.h"
#include "engine/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SESSION_CAPACITY_DEFAULT (1u << 20)
#define SESSION_CAPACITY_MIN 64u
#define BOUNDARY_WAIT_MS 5000 // a burst takes microseconds: whoever needs longer is stuck

void engine_config_init(struct engine_config *ret_config)
{
	*ret_config = (struct engine_config){
		.abi_version = STELLAR_ABI_VERSION,
		.struct_size = sizeof(*ret_config),
		.worker_count = 1,
		.burst_size = STELLAR_BURST_MAX,
		.session_capacity = SESSION_CAPACITY_DEFAULT,
		.full_action = STELLAR_FULL_EVICT_EMBRYONIC,
		.verify_checksums = true,
		.midstream = 1,
		.first_session_id = 1,
		.timeouts =
			{
#define X(name, seconds, sentence) .name = seconds,
				STELLAR_TIMEOUTS(X)
#undef X
			},
		.limits =
			{
#define X(name, value, sentence) .name = value,
				STELLAR_LIMITS(X)
#undef X
			},
	};
}

// Zero means the default for what the header gives one beside the name.
static void fill_defaults(struct engine_config *config)
{
	config->worker_count = config->worker_count != 0 ? config->worker_count : 1;
	config->burst_size = config->burst_size != 0 ? config->burst_size : STELLAR_BURST_MAX;
	if (config->session_capacity == 0)
		config->session_capacity = SESSION_CAPACITY_DEFAULT;
#define X(name, seconds, sentence) \
	if (config->timeouts.name == 0) \
		config->timeouts.name = seconds;
	STELLAR_TIMEOUTS(X)
#undef X
#define X(name, value, sentence) \
	if (config->limits.name == 0) \
		config->limits.name = value;
	STELLAR_LIMITS(X)
#undef X
}

static int check_config(const struct engine_config *config, char *error, size_t error_size)
{
	if (config->abi_version != STELLAR_ABI_VERSION || config->struct_size != sizeof(*config)) {
		snprintf(error, error_size,
			 "engine configuration: expected ABI %u and %zu bytes, found %u and %u",
			 STELLAR_ABI_VERSION, sizeof(*config), config->abi_version,
			 config->struct_size);
		return -EINVAL;
	}
	if (config->worker_count < 1 || config->worker_count > STELLAR_WORKERS_MAX) {
		snprintf(error, error_size, "workers: expected 1 to %d, found %u",
			 STELLAR_WORKERS_MAX, config->worker_count);
		return -EINVAL;
	}
	if (config->burst_size < 1 || config->burst_size > STELLAR_BURST_MAX) {
		snprintf(error, error_size, "burst size: expected 1 to %d, found %u",
			 STELLAR_BURST_MAX, config->burst_size);
		return -EINVAL;
	}
	if (config->limits.handoff_frames > HANDOFF_SLOTS_MAX) {
		snprintf(error, error_size, "handoff_frames: expected at most %u, found %llu",
			 HANDOFF_SLOTS_MAX, (unsigned long long)config->limits.handoff_frames);
		return -EINVAL;
	}
	if (config->session_capacity < SESSION_CAPACITY_MIN ||
	    config->session_capacity > SESSION_CAPACITY_MAX) {
		snprintf(error, error_size, "session capacity: expected %u to %u, found %llu",
			 SESSION_CAPACITY_MIN, SESSION_CAPACITY_MAX,
			 (unsigned long long)config->session_capacity);
		return -EINVAL;
	}
	if (config->target_profile >= STELLAR_TARGET_PROFILE_COUNT) {
		snprintf(error, error_size, "target profile: expected below %d, found %u",
			 STELLAR_TARGET_PROFILE_COUNT, config->target_profile);
		return -EINVAL;
	}
	if (config->full_action >= STELLAR_FULL_ACTION_COUNT) {
		snprintf(error, error_size, "full action: expected below %d, found %u",
			 STELLAR_FULL_ACTION_COUNT, config->full_action);
		return -EINVAL;
	}
	return 0;
}

int engine_create(const struct engine_config *config, struct engine **ret_engine, char *error,
		  size_t error_size)
{
	struct engine_config filled = *config;

	fill_defaults(&filled);
	int result = check_config(&filled, error, error_size);

	if (result != 0)
		return result;
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL) {
		snprintf(error, error_size, "engine: no memory");
		return -ENOMEM;
	}
	engine->config = filled;
	engine->boundary_wait_ms = BOUNDARY_WAIT_MS;
	pthread_mutex_init(&engine->versions_lock, NULL);
	engine->output.fd = -1;
	engine->has_own_seed = config->hash_seed[0] != 0 || config->hash_seed[1] != 0;
	if (!engine->has_own_seed &&
	    getrandom(engine->config.hash_seed, sizeof(engine->config.hash_seed), 0) !=
		    sizeof(engine->config.hash_seed)) {
		snprintf(error, error_size, "engine: no random numbers for the hash secret");
		free(engine);
		return -EIO;
	}
	*ret_engine = engine;
	return 0;
}

void engine_destroy(struct engine *engine)
{
	if (engine == NULL)
		return;
	// A caller with a loop of its own may not have ended it: plugins still hold contexts.
	for (uint32_t i = 0; engine->started && i < engine->config.worker_count; i++) {
		if (engine->workers[i]->table->count > 0 ||
		    engine->workers[i]->ledger.packets.held > 0)
			worker_finish(engine->workers[i]);
	}
	watchdog_close(engine);
	recorder_close(engine);
	recording_replay_close(engine);
	output_close(&engine->output);
	policy_retire_all(engine);
	for (uint32_t i = 0; engine->workers != NULL && i < engine->config.worker_count; i++)
		worker_destroy(engine->workers[i]);
	spread_replay_destroy(engine);
	free(engine->workers);
	warm_restart_close(engine);
	for (size_t i = 0; i < engine->plugin_count; i++)
		plugin_account_destroy(engine->plugins[i]->account);
	plugin_table_destroy(atomic_load(&engine->plugin_target));
	pthread_mutex_destroy(&engine->versions_lock);
	plugin_derived_free(engine);
	for (uint16_t id = 0; id < engine->interface_count; id++) {
		if (engine->interfaces[id].is_owned)
			packet_io_device_close(engine->interfaces[id].device);
	}
	free(engine);
}

int engine_add_target(struct engine *engine, const struct ip_address *prefix, uint8_t prefix_length,
		      uint8_t profile, char *error, size_t error_size)
{
	int result = engine->started
			     ? -EBUSY
			     : target_list_add(&engine->targets, prefix, prefix_length, profile);

	if (result == -EINVAL)
		snprintf(error, error_size,
			 "target: expected a prefix of 0 to 32 or 128 bits and a profile below %d, "
			 "found version %u, %u bits, profile %u",
			 STELLAR_TARGET_PROFILE_COUNT, prefix->version, prefix_length, profile);
	else if (result != 0)
		snprintf(error, error_size, "target: %s",
			 result == -EBUSY    ? "the engine has started"
			 : result == -EEXIST ? "the prefix has a profile already"
					     : "too many prefixes");
	return result;
}

static int check_interface_name(const struct engine *engine, const char *name, char *error,
				size_t error_size)
{
	size_t length = strlen(name);

	if (length == 0 || length >= OUTPUT_NAME_SIZE) {
		snprintf(error, error_size, "interface name: expected 1 to %d bytes, found %zu",
			 OUTPUT_NAME_SIZE - 1, length);
		return -EINVAL;
	}
	for (uint16_t id = 0; id < engine->interface_count; id++) {
		if (strcmp(engine->interfaces[id].name, name) == 0) {
			snprintf(error, error_size, "interface %s: is there already", name);
			return -EEXIST;
		}
	}
	if (engine->started || engine->interface_count == STELLAR_INTERFACES_MAX) {
		snprintf(error, error_size, "interface %s: %s", name,
			 engine->started ? "the engine has started" : "too many interfaces");
		return engine->started ? -EBUSY : -ENOSPC;
	}
	return 0;
}

int engine_add_interface_device(struct engine *engine, const char *name,
				struct packet_io_device *device, char *error, size_t error_size)
{
	int result = check_interface_name(engine, name, error, error_size);

	if (result != 0)
		return result;
	struct interface *interface = &engine->interfaces[engine->interface_count];

	*interface = (struct interface){.device = device, .peer_id = NO_INTERFACE};
	snprintf(interface->name, sizeof(interface->name), "%s", name);
	return engine->interface_count++;
}

int engine_add_interface(struct engine *engine, const char *name, const char *uri, char *error,
			 size_t error_size)
{
	struct packet_io_device *device;
	char reason[256] = "";
	int result = check_interface_name(engine, name, error, error_size);

	if (result != 0)
		return result;
	result = packet_io_device_open(uri, &device, reason, sizeof(reason));
	if (result != 0) {
		if (reason[0] == '\0') // no memory, and so no words
			snprintf(error, error_size, "%s: %s", uri, strerror(-result));
		else
			snprintf(error, error_size, "%s", reason);
		return result;
	}
	int id = engine_add_interface_device(engine, name, device, error, error_size);

	if (id < 0)
		packet_io_device_close(device);
	else
		engine->interfaces[id].is_owned = true;
	return id;
}

static int claim(struct engine *engine, uint16_t id, char *error, size_t error_size)
{
	if (id >= engine->interface_count || engine->started) {
		snprintf(error, error_size, "topology: %s",
			 engine->started ? "the engine has started" : "no such interface");
		return -EINVAL;
	}
	if (engine->interfaces[id].role != INTERFACE_UNUSED) {
		snprintf(error, error_size, "interface %s: is in a wire or tap already",
			 engine->interfaces[id].name);
		return -EBUSY;
	}
	return 0;
}

static int check_can_send(const struct engine *engine, uint16_t id, char *error, size_t error_size)
{
	if (packet_io_device_frame_max(engine->interfaces[id].device) > 0)
		return 0;
	snprintf(error, error_size, "interface %s: its device can only receive",
		 engine->interfaces[id].name);
	return -EINVAL;
}

int engine_add_wire(struct engine *engine, uint16_t interface_a, uint16_t interface_b,
		    bool pass_non_ip, char *error, size_t error_size)
{
	int result = claim(engine, interface_a, error, error_size);

	if (result == 0)
		result = claim(engine, interface_b, error, error_size);
	if (result != 0)
		return result;
	if (interface_a == interface_b) {
		snprintf(error, error_size, "interface %s: can't be both ends of a wire",
			 engine->interfaces[interface_a].name);
		return -EINVAL;
	}
	result = check_can_send(engine, interface_a, error, error_size);
	if (result == 0)
		result = check_can_send(engine, interface_b, error, error_size);
	if (result != 0)
		return result;
	uint32_t worker_id = engine->wire_count++ % engine->config.worker_count;
	const uint16_t ends[2] = {interface_a, interface_b};

	for (int i = 0; i < 2; i++) {
		struct interface *interface = &engine->interfaces[ends[i]];

		interface->role = INTERFACE_WIRE;
		interface->peer_id = ends[1 - i];
		interface->pass_non_ip = pass_non_ip;
		interface->worker_id = worker_id;
	}
	return 0;
}

int engine_add_tap(struct engine *engine, uint16_t interface_id, uint16_t output_id, char *error,
		   size_t error_size)
{
	int result = claim(engine, interface_id, error, error_size);

	if (result == 0 && output_id != NO_INTERFACE)
		result = claim(engine, output_id, error, error_size);
	if (result == 0 && output_id != NO_INTERFACE)
		result = check_can_send(engine, output_id, error, error_size);
	if (result != 0)
		return result;
	if (interface_id == output_id) {
		snprintf(error, error_size, "interface %s: can't be a tap and its output",
			 engine->interfaces[interface_id].name);
		return -EINVAL;
	}
	uint32_t worker_id = engine->wire_count++ % engine->config.worker_count;
	struct interface *interface = &engine->interfaces[interface_id];

	interface->role = INTERFACE_TAP;
	interface->peer_id = output_id;
	interface->worker_id = worker_id;
	if (output_id != NO_INTERFACE) {
		engine->interfaces[output_id].role = INTERFACE_OUTPUT;
		engine->interfaces[output_id].worker_id = worker_id;
	}
	return 0;
}

int engine_set_event_output(struct engine *engine, const char *path, uint32_t types, char *error,
			    size_t error_size)
{
	if (engine->started || engine->output.path != NULL) {
		snprintf(error, error_size, "events: %s",
			 engine->started ? "the engine has started" : "have an output already");
		return -EBUSY;
	}
	if (path == NULL)
		return 0;
	int result = output_open(&engine->output, engine, path, types);

	if (result != 0)
		snprintf(error, error_size, "%s: can't write events: %s", path, strerror(-result));
	return result;
}

int engine_reopen_events(struct engine *engine)
{
	if (!engine->output.thread_started)
		return -EINVAL;
	atomic_store(&engine->output.reopen, true);
	return 0;
}

int engine_start(struct engine *engine, char *error, size_t error_size)
{
	if (engine->start_tried) {
		snprintf(error, error_size, "engine: it can be started only once");
		return -EBUSY;
	}
	engine->start_tried = true;
	int result = plugin_hosts_start(engine, error, error_size);

	if (result != 0)
		return result;
	watchdog_name_plugins(engine);
	engine->clock_offset_ns = engine_clock_offset_ns();
	for (uint16_t id = 0; id < engine->interface_count; id++) {
		const struct interface *interface = &engine->interfaces[id];

		engine->is_live |= packet_io_device_is_live(interface->device);
		engine->receiving_count +=
			interface->role == INTERFACE_WIRE || interface->role == INTERFACE_TAP;
	}
	warm_restart_open(engine);
	engine->home_secret = spread_secret(engine->config.hash_seed);
	engine->workers = calloc(engine->config.worker_count, sizeof(*engine->workers));
	if (engine->workers == NULL) {
		snprintf(error, error_size, "engine: no memory for workers");
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		result = worker_create(engine, i, &engine->workers[i]);
		if (result != 0) {
			snprintf(error, error_size, "worker %u: no memory for %llu sessions", i,
				 (unsigned long long)engine->config.session_capacity);
			return result;
		}
	}
	warm_restart_report(engine);
	result = spread_replay_create(engine);
	if (result != 0) {
		snprintf(error, error_size, "replay: no memory for several workers");
		return result;
	}
	result = recorder_open(engine, error, error_size);
	if (result != 0)
		return result;
	result = output_start(&engine->output, !engine->is_live);
	if (result != 0)
		snprintf(error, error_size, "events: can't start the writer: %s",
			 strerror(-result));
	engine->started = result == 0;
	return result;
}

void engine_get_hash_seed(const struct engine *engine, uint64_t *ret_seed)
{
	memcpy(ret_seed, engine->config.hash_seed, sizeof(engine->config.hash_seed));
}

static void add_ledger(const struct worker *worker, struct ledger *sum)
{
	struct ledger ledger;
	// A ledger is nothing but 64-bit counters, so it adds as an array of them.
	uint64_t *words = (uint64_t *)sum;
	const uint64_t *part = (const uint64_t *)&ledger;

	worker_read_ledger(worker, &ledger);
	for (size_t word = 0; word < sizeof(ledger) / sizeof(*words); word++)
		words[word] += part[word];
}

void engine_sum_ledgers(const struct engine *engine, struct ledger *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	for (uint32_t i = 0; engine->workers != NULL && i < engine->config.worker_count; i++)
		add_ledger(engine->workers[i], ret_sum);
	if (engine->reader != NULL)
		add_ledger(engine->reader, ret_sum);
}

void engine_get_packet_stats(const struct engine *engine, struct packet_stats *ret_stats)
{
	struct ledger sum;

	engine_sum_ledgers(engine, &sum);
	*ret_stats = sum.packets;
}

void engine_get_session_stats(const struct engine *engine, struct session_stats *ret_stats)
{
	struct ledger sum;

	engine_sum_ledgers(engine, &sum);
	*ret_stats = sum.sessions;
}

void engine_get_stream_stats(const struct engine *engine, struct stream_stats *ret_stats)
{
	struct ledger sum;

	engine_sum_ledgers(engine, &sum);
	*ret_stats = sum.streams;
}

uint64_t engine_get_event_count(const struct engine *engine, uint32_t event)
{
	struct ledger sum;

	engine_sum_ledgers(engine, &sum);
	return event < STELLAR_EVENT_COUNT ? sum.events[event] : 0;
}

uint64_t engine_get_event_overflow(const struct engine *engine)
{
	struct ledger sum;

	engine_sum_ledgers(engine, &sum);
	return sum.events_overflowed;
}

uint64_t engine_get_decode_event_count(const struct engine *engine, uint32_t decode_event)
{
	struct ledger sum;

	engine_sum_ledgers(engine, &sum);
	return decode_event < STELLAR_DECODE_EVENT_COUNT ? sum.decode_events[decode_event] : 0;
}

void engine_get_output_stats(const struct engine *engine, uint64_t *ret_written, uint64_t *ret_lost)
{
	*ret_written = atomic_load(&engine->output.written);
	*ret_lost = atomic_load(&engine->output.lost);
	for (uint32_t i = 0; engine->workers != NULL && i < engine->config.worker_count; i++)
		*ret_lost += atomic_load(&engine->workers[i]->output_ring.lost);
}

int engine_get_interface(const struct engine *engine, uint16_t interface_id, const char **ret_name,
			 struct packet_io_stats *ret_stats)
{
	if (interface_id >= engine->interface_count)
		return -ENOENT;
	*ret_name = engine->interfaces[interface_id].name;
	packet_io_device_get_stats(engine->interfaces[interface_id].device, ret_stats);
	return 0;
}

uint32_t engine_get_frame_max(const struct engine *engine, uint16_t interface_id)
{
	return interface_id < engine->interface_count
		       ? packet_io_device_frame_max(engine->interfaces[interface_id].device)
		       : 0;
}

const char *engine_get_interface_error(const struct engine *engine, uint16_t interface_id)
{
	return interface_id < engine->interface_count
		       ? packet_io_device_error(engine->interfaces[interface_id].device)
		       : "";
}
