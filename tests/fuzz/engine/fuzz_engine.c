// SPDX-License-Identifier: Apache-2.0

// A whole engine driven by a script: frames, steps of time, policies, and plugins that ask for
// anything at any moment. Whatever they do, packets are conserved, contexts and metadata values are
// freed once each, and policies that were prepared are retired. A script runs either stage by stage
// over a wire, or twice through the worker's loop over a tap, burst by burst and packet by packet,
// where both must come out alike (the order law).
//
// Input: two bytes of switches; the first half of the rest is the script, the second half is what
// plugins do, a byte or more for each call.

#include <stellar/aqm.h>
#include <stellar/engine.h>
#include <stellar/stream.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "packet_io/device.h"

#define FRAMES_MAX 512
#define FRAME_SIZE 128
#define PLUGIN_COUNT 3
#define START_NS 1700000000000000000ull
#define CONTEXT_MAGIC 0x5e551017c0ffee00ull
#define EVENT(name) STELLAR_EVENT_BIT(STELLAR_EVENT_##name)

enum {
	SWITCH_INLINE = 0x01,
	SWITCH_MIDSTREAM = 0x02,
	SWITCH_PASS_MALFORMED = 0x04,
	SWITCH_FAIL_CLOSED = 0x08,
	SWITCH_TAP = 0x10,
	SWITCH_FINISH = 0x20, // worker_finish before engine_destroy
	IMAGE_SIZE = STELLAR_POLICY_HEADER_SIZE + STELLAR_POLICY_SECTION_SIZE + 1,
};

struct script {
	const uint8_t *bytes;
	size_t left;
};

// What a run has seen; two runs that are alike have equal ones.
struct outcome {
	uint64_t digest; // of all calls in order
	uint64_t calls;
	struct packet_stats packets;
	struct session_stats sessions;
};

struct run {
	struct script steps;
	struct script actions;
	uint8_t switches;
	uint64_t time_ns;
	uint32_t generation;
	struct outcome outcome;
	// Made and not freed yet.
	int64_t contexts;
	int64_t values;
	int64_t policies;
};

// A device that gives the frames of a script, then ends.
struct script_device {
	struct packet_io_device base;
	struct run *run;
	uint8_t frames[STELLAR_BURST_MAX][FRAME_SIZE];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t take(struct script *script)
{
	if (script->left == 0)
		return 0;
	script->left--;
	return *script->bytes++;
}

static void note(struct run *run, uint64_t value)
{
	run->outcome.digest = (run->outcome.digest ^ value) * 0x100000001b3ull;
}

// What plugins do.

static struct run *run_of(const struct session *session)
{
	return pm_session_host_data(session);
}

static void free_value(void *value, size_t size)
{
	struct run **run = value;

	require(size == sizeof(*run));
	(*run)->values--;
	free(run);
}

static void set_metadata(struct run *run, struct session *session, const char *key)
{
	struct run **value = malloc(sizeof(*value));

	require(value != NULL);
	*value = run;
	// Before: setting the same key frees the old value within.
	run->values++;
	if (session_set_metadata(session, key, value, sizeof(*value), free_value) != 0)
		free_value(value, sizeof(*value));
}

static void ask_for_verdict(struct session *session, uint8_t byte)
{
	const struct verdict_request request = {
		.disposition = byte & 7,
		.reply = byte >> 3 & 3,
		.block = (byte & 0x20) != 0,
		.drop_reason = byte >> 6,
		.rule_id = byte,
	};
	int result = session_set_verdict(session, &request);
	const struct verdict *verdict = session_get_verdict(session);

	require(result != 0 || verdict->disposition >= request.disposition);
}

// Read, skip and limit a direction; what can be read is noted.
static void read_stream(struct run *run, struct session *session, uint8_t action)
{
	enum stellar_direction direction = (enum stellar_direction)(action & 1);
	const uint8_t *data;
	size_t length;
	uint64_t offset;

	require(session_get_parent(session) == NULL);
	if (action & 2)
		stream_set_depth(session, direction, take(&run->actions));
	if (stream_peek(session, direction, &data, &length) != 0)
		return;
	note(run, length);
	for (size_t i = 0; i < length; i++)
		note(run, data[i]);
	require(stream_skip(session, direction, length + 1) != 0);
	if (length > 0)
		require(stream_skip(session, direction, take(&run->actions) % length) == 0);
	require(stream_get_offset(session, direction, &offset) == 0);
	note(run, offset);
}

static void act(struct session *session)
{
	struct run *run = run_of(session);
	uint8_t action = take(&run->actions);
	uint16_t own_id = pm_session_plugin_id(session);
	const char key[] = {'k', (char)('a' + action % 20), '\0'};

	switch (action >> 4) {
	case 1:
		pm_session_detach_me(session);
		break;
	case 2:
		pm_session_take_over(session);
		break;
	case 3:
		pm_session_give_back(session);
		break;
	case 4:
		session_lock(session, own_id);
		break;
	case 5:
		session_unlock(session, (uint16_t)(own_id + (action & 1)));
		break;
	case 6:
		session_bypass(session);
		break;
	case 7:
		ask_for_verdict(session, take(&run->actions));
		break;
	case 8:
		session_reject(session, (enum stellar_reply)(action & 3));
		break;
	case 9:
		session_drop_current_packet(session);
		break;
	case 10:
		set_metadata(run, session, key);
		break;
	case 11:
		session_del_metadata(session, key);
		break;
	case 12:
		session_copy_metadata(session, key, key, action & 1);
		break;
	case 13:
		read_stream(run, session, action);
		break;
	case 14:
		pm_session_fail(session);
		break;
	case 15: // two at once
		act(session);
		act(session);
		break;
	default:
		break;
	}
}

static int context_init(struct session *session, void *context)
{
	struct run *run = run_of(session);

	require(*(uint64_t *)context == 0);
	if ((take(&run->actions) & 15) == 15)
		return -1;
	act(session);
	*(uint64_t *)context = CONTEXT_MAGIC;
	run->contexts++;
	return 0;
}

static void context_free(struct session *session, void *context)
{
	require(*(uint64_t *)context == CONTEXT_MAGIC);
	*(uint64_t *)context = 0;
	run_of(session)->contexts--;
	act(session);
}

static void enter(struct session *session, void *context)
{
	struct run *run = run_of(session);
	const struct event *event = session_get_event(session);
	struct packet_endpoint originator;

	require(context == NULL || *(uint64_t *)context == CONTEXT_MAGIC);
	require((session_get_state(session) == STELLAR_SESSION_CLOSING) ==
		(event->type == STELLAR_EVENT_SESSION_CLOSING));
	session_get_originator(session, &originator);
	run->outcome.calls++;
	note(run, pm_session_plugin_id(session));
	note(run, event->type);
	note(run, session_get_id(session));
	note(run, event->time_ns);
	note(run, originator.port);
	act(session);
}

static int policy_prepare(struct plugin_host *host, void *state, const void *policy, size_t size,
			  void **ret_prepared, char *error, size_t error_size)
{
	struct run *run = state;

	if (((const uint8_t *)policy)[0] == 0)
		return -EINVAL;
	run->policies++;
	*ret_prepared = run;
	return 0;
}

static void policy_retire(struct plugin_host *host, void *state, void *prepared)
{
	require(prepared == state);
	((struct run *)state)->policies--;
}

// The state is the run; load has no other way to it than this.
static struct run *loading;

static int load(struct plugin_host *host, void **ret_state)
{
	*ret_state = loading;
	return 0;
}

static void fill_plugins(const struct run *run, struct plugin *plugins)
{
	static const char *const before_alpha[] = {"alpha", NULL};
	const struct plugin base = {
		STELLAR_PLUGIN_HEADER,
		.version = "1",
		.fail_action = (run->switches & SWITCH_FAIL_CLOSED) ? STELLAR_FAIL_CLOSED
								    : STELLAR_FAIL_OPEN,
		.load = load,
		.entry = enter,
	};

	plugins[0] = base;
	plugins[0].name = "alpha";
	plugins[0].events = EVENT(SESSION_OPENING) | EVENT(SESSION_PACKET) | EVENT(SESSION_CLOSING);
	plugins[0].context_size = 8;
	plugins[0].context_init = context_init;
	plugins[0].context_free = context_free;
	plugins[0].policy_prepare = policy_prepare;
	plugins[0].policy_retire = policy_retire;
	plugins[1] = base;
	plugins[1].name = "beta";
	plugins[1].before = before_alpha;
	plugins[1].events = EVENT(SESSION_ACTIVE) | EVENT(UDP_DATA) | EVENT(METADATA_CHANGED);
	plugins[1].context_size = 21;
	plugins[1].context_init = context_init;
	plugins[1].context_free = context_free;
	plugins[2] = base;
	plugins[2].name = "gamma";
	plugins[2].events = EVENT(SESSION_PACKET) | EVENT(SESSION_CLOSING) | EVENT(TCP_DATA) |
			    EVENT(TCP_GAP) | EVENT(TCP_OVERLAP);
	plugins[2].fail_action = STELLAR_FAIL_OPEN;
}

// Frames.

static void write_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static size_t write_ip(uint8_t *frame, uint8_t hosts, uint8_t protocol, size_t length, bool is_ipv6)
{
	uint8_t *ip = frame + 14;

	frame[0] = frame[6] = 2;
	write_u16(frame + 12, is_ipv6 ? 0x86dd : 0x0800);
	if (is_ipv6) {
		ip[0] = 0x60;
		write_u16(ip + 4, (uint16_t)length);
		ip[6] = protocol;
		ip[7] = 64;
		ip[8] = ip[24] = 0x20;
		ip[23] = (hosts & 3) + 1;
		ip[39] = (hosts >> 2 & 3) + 5;
		return 14 + 40;
	}
	ip[0] = 0x45;
	write_u16(ip + 2, (uint16_t)(20 + length));
	ip[8] = 64;
	ip[9] = protocol;
	ip[12] = ip[16] = 192;
	ip[15] = (hosts & 3) + 1;
	ip[19] = (hosts >> 2 & 3) + 5;
	return 14 + 20;
}

static void swap_sides(uint8_t *frame, size_t transport, size_t address_size)
{
	uint8_t *addresses = frame + transport - 2 * address_size;

	for (size_t i = 0; i < address_size; i++) {
		uint8_t byte = addresses[i];

		addresses[i] = addresses[address_size + i];
		addresses[address_size + i] = byte;
	}
	for (size_t i = 0; i < 2; i++) {
		uint8_t byte = frame[transport + i];

		frame[transport + i] = frame[transport + 2 + i];
		frame[transport + 2 + i] = byte;
	}
}

// A frame by the script: kind, hosts, ports, then what the kind needs. Returns its length.
static size_t make_frame(struct script *steps, uint8_t *ret_frame)
{
	uint8_t kind = take(steps);
	uint8_t hosts = take(steps);
	uint8_t port = take(steps);
	bool is_ipv6 = (kind & 8) != 0;
	uint8_t protocol = (kind & 3) == 0 ? 6 : (kind & 3) == 1 ? 17 : is_ipv6 ? 58 : 1;
	size_t length = protocol == 6 ? 20 : 8 + (port & 3);

	memset(ret_frame, 0, FRAME_SIZE);
	if ((kind & 3) == 3) {
		length = port % FRAME_SIZE;
		for (size_t i = 0; i < length; i++)
			ret_frame[i] = take(steps);
		return length;
	}
	size_t offset = write_ip(ret_frame, hosts, protocol, length, is_ipv6);
	uint8_t *transport = ret_frame + offset;

	write_u16(transport, (uint16_t)(1000 + (port >> 2)));
	write_u16(transport + 2, 53);
	if (protocol == 6) {
		transport[7] = take(steps); // sequence
		transport[11] = take(steps); // acknowledgment
		transport[12] = 5 << 4;
		transport[13] = take(steps);
		write_u16(transport + 14, 0x1000);
	} else if (protocol == 17) {
		write_u16(transport + 4, (uint16_t)length);
	} else {
		transport[0] = is_ipv6 ? 128 : 8;
		transport[1] = 0;
	}
	if ((kind & 16) != 0 && protocol != 1 && protocol != 58)
		swap_sides(ret_frame, offset, is_ipv6 ? 16 : 4);
	if ((kind & 32) != 0)
		ret_frame[take(steps) % FRAME_SIZE] ^= take(steps);
	return offset + length;
}

static void pass_time(struct run *run)
{
	uint8_t step = take(&run->steps);

	if ((step & 0xc0) == 0xc0)
		run->time_ns -= UINT64_C(1) << (step & 31);
	else
		run->time_ns += UINT64_C(1) << step % 54;
}

// Runs.

static void open_engine(struct run *run, uint8_t full_action, uint32_t burst_size,
			struct engine **ret_engine)
{
	struct engine_config config;
	char error[256];

	engine_config_init(&config);
	config.burst_size = burst_size;
	config.session_capacity = 64;
	config.full_action = full_action % STELLAR_FULL_ACTION_COUNT;
	config.verify_checksums = false;
	config.is_inline = (run->switches & SWITCH_INLINE) != 0;
	config.midstream = (run->switches & SWITCH_MIDSTREAM) != 0;
	config.pass_malformed = (run->switches & SWITCH_PASS_MALFORMED) != 0;
	config.hash_seed[0] = 1;
	require(engine_create(&config, ret_engine, error, sizeof(error)) == 0);
}

static void start(struct run *run, struct engine *engine, const struct plugin *plugins)
{
	char error[256];

	loading = run;
	for (size_t i = 0; i < PLUGIN_COUNT; i++)
		require(engine_add_plugin(engine, &plugins[i], run, error, sizeof(error)) >= 0);
	require(engine_start(engine, error, sizeof(error)) == 0);
}

static void check_figures(struct run *run, struct engine *engine)
{
	struct outcome *outcome = &run->outcome;
	uint64_t closed = 0;

	engine_get_packet_stats(engine, &outcome->packets);
	engine_get_session_stats(engine, &outcome->sessions);
	require(packet_stats_imbalance(&outcome->packets) == 0);
	for (size_t i = 0; i < STELLAR_CLOSING_REASON_COUNT; i++)
		closed += outcome->sessions.closed[i];
	require(outcome->sessions.created == closed + outcome->sessions.active);
	require(outcome->sessions.active <= 64);
}

static void check_end(const struct run *run)
{
	require(run->contexts == 0);
	require(run->values == 0);
	require(run->policies == 0);
}

static void write_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void apply_policy(struct run *run, struct engine *engine)
{
	uint8_t image[IMAGE_SIZE] = STELLAR_POLICY_MAGIC;
	uint8_t *section = image + STELLAR_POLICY_HEADER_SIZE;
	char error[256];

	run->generation += take(&run->steps) & 3;
	write_u32(image + 8, IMAGE_SIZE);
	write_u32(image + 12, run->generation);
	write_u32(image + 16, 1);
	memcpy(section, "alpha", 5);
	write_u32(section + 64, IMAGE_SIZE - 1);
	write_u32(section + 68, 1);
	image[IMAGE_SIZE - 1] = take(&run->steps);
	write_u32(image + 20, (uint32_t)crc32(0, image + 24, IMAGE_SIZE - 24));
	engine_policy_apply(engine, image, sizeof(image), error, sizeof(error));
}

static void send_frame(struct run *run, struct engine *engine,
		       struct packet_io_device *const *devices, uint8_t step)
{
	struct worker *worker = engine_get_worker(engine, 0);
	const uint32_t group_id = step & 0x10 ? 7 : 0;
	uint16_t ingress_id = step >> 6 & 1;
	uint8_t frame[FRAME_SIZE];
	size_t length = make_frame(&run->steps, frame);
	struct packet *packet;

	run->time_ns += 1000000;
	if (packet_io_memory_push(devices[ingress_id], frame, length, run->time_ns) != 0)
		return;
	require(worker_rx(worker, ingress_id, &packet) == 1);
	if ((step & 0x20) == 0 || (step & 0x08) != 0)
		session_manager(worker, packet);
	if ((step & 0x20) == 0 || (step & 0x04) != 0)
		plugin_manager(worker, packet);
	if ((step & 0x20) == 0 || (step & 0x80) != 0)
		aqm_enqueue(worker, &group_id, 1, packet);
}

static void drain(struct packet_io_device *const *devices)
{
	uint8_t frame[FRAME_SIZE];

	for (int i = 0; i < 2; i++) {
		while (packet_io_memory_pop(devices[i], frame, sizeof(frame)) > 0)
			;
	}
}

static void run_wire(struct run *run, uint8_t full_action)
{
	struct plugin plugins[PLUGIN_COUNT];
	struct packet_io_device *devices[2];
	struct engine *engine;
	char error[256];

	open_engine(run, full_action, 1, &engine);
	for (int i = 0; i < 2; i++) {
		require(packet_io_device_open("memory:m?frames=16", &devices[i], error,
					      sizeof(error)) == 0);
		require(engine_add_interface_device(engine, i == 0 ? "inside" : "outside",
						    devices[i], error, sizeof(error)) == i);
	}
	require(engine_add_wire(engine, 0, 1, true, error, sizeof(error)) == 0);
	fill_plugins(run, plugins);
	start(run, engine, plugins);
	for (int frames = 0; run->steps.left > 0 && frames < FRAMES_MAX; frames++) {
		uint8_t step = take(&run->steps);

		switch (step & 3) {
		case 0:
			if ((step & 4) != 0)
				pass_time(run);
			else if ((step & 8) != 0)
				apply_policy(run, engine);
			else
				drain(devices);
			break;
		default:
			send_frame(run, engine, devices, step);
			break;
		}
		check_figures(run, engine);
	}
	if ((run->switches & SWITCH_FINISH) != 0) {
		worker_finish(engine_get_worker(engine, 0));
		check_figures(run, engine);
		require(run->outcome.sessions.active == 0);
	}
	engine_destroy(engine);
	packet_io_device_close(devices[0]);
	packet_io_device_close(devices[1]);
	check_end(run);
}

static int script_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	struct script_device *device = (struct script_device *)base;
	struct run *run = device->run;
	size_t done = 0;

	for (; done < count && run->steps.left > 0; done++) {
		pass_time(run);
		size_t length = make_frame(&run->steps, device->frames[done]);

		ret_frames[done] = (struct frame){
			.data = device->frames[done],
			.length = (uint32_t)length,
			.wire_length = (uint32_t)length,
			.time_ns = run->time_ns,
			.link_type = 1,
		};
	}
	return done > 0 ? (int)done : -ENODATA;
}

static void run_tap(struct run *run, uint8_t full_action, uint32_t burst_size)
{
	static const struct packet_io_ops ops = {.name = "script", .rx = script_rx};
	struct script_device *device = malloc(sizeof(*device)); // for ASan
	struct plugin plugins[PLUGIN_COUNT];
	struct engine *engine;
	char error[256];

	require(device != NULL);
	memset(device, 0, sizeof(*device));
	device->base = (struct packet_io_device){.ops = &ops, .fd = -1};
	device->run = run;
	open_engine(run, full_action, burst_size, &engine);
	require(engine_add_interface_device(engine, "in", &device->base, error, sizeof(error)) ==
		0);
	require(engine_add_tap(engine, 0, UINT16_MAX, error, sizeof(error)) == 0);
	fill_plugins(run, plugins);
	start(run, engine, plugins);
	apply_policy(run, engine);
	require(engine_worker_run(engine, 0, -1) == 0);
	check_figures(run, engine);
	require(run->outcome.sessions.active == 0);
	engine_destroy(engine);
	free(device);
	check_end(run);
}

static struct run read_input(const uint8_t *data, size_t size)
{
	size_t half = (size - 2) / 2;

	return (struct run){
		.steps = {data + 2, half},
		.actions = {data + 2 + half, size - 2 - half},
		.switches = data[0],
		.time_ns = START_NS,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return -1;
	struct run run = read_input(data, size);

	if ((run.switches & SWITCH_TAP) == 0) {
		run_wire(&run, data[1]);
		return 0;
	}
	struct run other = run;

	run_tap(&run, data[1], 1);
	run_tap(&other, data[1], 2 + data[1] % (STELLAR_BURST_MAX - 1));
	require(memcmp(&run.outcome, &other.outcome, sizeof(run.outcome)) == 0);
	return 0;
}
