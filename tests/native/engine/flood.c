// SPDX-License-Identifier: Apache-2.0

#include "flood.h"

#include <stdlib.h>

#include <stellar/stream.h>

#include "flood_rig.h"

#define NS_PER_MS UINT64_C(1000000)
#define SERVER 0xc6336401u // 198.51.100.1
#define LIVE_FIRST 0x0a010000u // 10.1.0.0
#define HONEST_FIRST 0x0a020000u
#define HONEST_CLIENTS 4096u
#define ATTACKER 0xcb007105u // 203.0.113.5
#define CLIENT_START 1000u // sequence numbers
#define SERVER_START 5000u
#define LIVE_PPS 50000u
#define SYN STELLAR_TCP_SYN
#define ACK STELLAR_TCP_ACK
#define HONEST_STEPS 4u

enum kind {
	KIND_SETUP, // not counted
	KIND_FLOOD,
	KIND_LIVE,
	KIND_HONEST,
	KIND_LAST, // of a live session
};

// One segment of a session; place: bytes its sender has sent before.
static struct flood_segment session_segment(struct flood_address client, uint32_t place,
					    uint32_t acknowledged, uint8_t flags, bool reverse)
{
	const struct flood_address server = {SERVER, 80};
	struct flood_segment segment = {
		.source = reverse ? server : client,
		.destination = reverse ? client : server,
		.sequence = (reverse ? SERVER_START : CLIENT_START) + place,
		.flags = flags,
		.from_outside = reverse,
	};

	if ((flags & ACK) != 0)
		segment.acknowledgment = (reverse ? CLIENT_START : SERVER_START) + acknowledged;
	return segment;
}

static struct flood_address live_client(uint32_t session)
{
	return (struct flood_address){LIVE_FIRST + session / 50000,
				      (uint16_t)(1024 + session % 50000)};
}

static void shake_hands(struct flood_rig *rig, struct flood_address client, uint64_t time_ns)
{
	struct flood_segment segment = session_segment(client, 0, 0, SYN, false);

	flood_rig_send_segment(rig, &segment, time_ns);
	segment = session_segment(client, 0, 1, SYN | ACK, true);
	flood_rig_send_segment(rig, &segment, time_ns);
	segment = session_segment(client, 1, 1, ACK, false);
	flood_rig_send_segment(rig, &segment, time_ns);
}

struct syn_run {
	const struct flood_syn *flood;
	struct flood_rig rig;
	uint64_t now_ns;
	uint64_t live_step;
	uint64_t live_next_ns;
	uint64_t honest_begin_ns;
	uint64_t honest_count[HONEST_STEPS]; // sessions that are past a step
	uint8_t *honest_forwarded; // segments, by session
	uint32_t honest_max; // that begin
	uint32_t live_kept;
};

static void syn_forwarded(void *owner, uint8_t kind, uint32_t who)
{
	struct syn_run *run = owner;

	if (kind == KIND_HONEST && who < run->honest_max)
		run->honest_forwarded[who]++;
	if (kind == KIND_LAST)
		run->live_kept++;
}

// Live sessions take turns: 100 bytes, and their acknowledgment.
static struct flood_segment live_segment(uint64_t step, uint32_t live)
{
	uint32_t session = (uint32_t)(step / 2 % live);
	uint32_t place = 1 + (uint32_t)(step / 2 / live) * 100;
	bool reverse = step % 2 != 0;
	struct flood_segment segment = session_segment(live_client(session), reverse ? 1 : place,
						       reverse ? place + 100 : 1, ACK, reverse);

	segment.length = reverse ? 0 : 100;
	segment.kind = KIND_LIVE;
	segment.who = session;
	return segment;
}

static void send_live(struct syn_run *run, uint64_t until_ns)
{
	for (; run->live_next_ns <= until_ns; run->live_next_ns += FLOOD_SECOND_NS / LIVE_PPS) {
		struct flood_segment segment = live_segment(run->live_step++, run->flood->live);

		flood_rig_send_segment(&run->rig, &segment, until_ns);
	}
}

static void send_honest(struct syn_run *run, uint64_t until_ns)
{
	const uint64_t rtt_ns = run->flood->rtt_ms * NS_PER_MS;
	const uint64_t offsets_ns[HONEST_STEPS] = {0, rtt_ns, rtt_ns + NS_PER_MS,
						   rtt_ns + NS_PER_MS};
	static const uint8_t flags[HONEST_STEPS] = {SYN, SYN | ACK, ACK, ACK};

	for (uint32_t step = 0; step < HONEST_STEPS && run->flood->honest_pps != 0; step++) {
		for (;;) {
			uint32_t who = (uint32_t)run->honest_count[step];
			uint64_t due_ns = run->honest_begin_ns + offsets_ns[step] +
					  who * FLOOD_SECOND_NS / run->flood->honest_pps;
			const struct flood_address client = {
				HONEST_FIRST + who % HONEST_CLIENTS,
				(uint16_t)(1024 + who / HONEST_CLIENTS)};
			struct flood_segment segment = session_segment(client, step >= 2 ? 1 : 0, 1,
								       flags[step], step == 1);

			if (due_ns > until_ns || who >= run->honest_max)
				break;
			segment.length = step == 3 ? 100 : 0;
			segment.kind = KIND_HONEST;
			segment.who = who;
			flood_rig_send_segment(&run->rig, &segment, until_ns);
			run->honest_count[step]++;
		}
	}
}

static void send_syn(struct syn_run *run)
{
	uint64_t random = flood_rig_random(&run->rig);
	struct flood_address source = {(uint32_t)random | 0x40000000u, (uint16_t)(random >> 32)};
	uint16_t port = 80;

	if (run->flood->one_source) {
		source.address = ATTACKER;
		port = (uint16_t)(random >> 48);
	}
	struct flood_segment segment = session_segment(source, 0, 0, SYN, false);
	segment.destination.port = port;
	segment.kind = KIND_FLOOD;
	flood_rig_send_segment(&run->rig, &segment, run->now_ns);
}

static void flood_with_syn(struct syn_run *run, struct flood_syn_result *result)
{
	uint64_t packets = run->rig.packets;
	uint64_t cpu_ns = run->rig.cpu_ns;

	for (uint32_t i = 0; i < run->flood->syn_count; i++) {
		send_live(run, run->now_ns);
		send_honest(run, run->now_ns);
		send_syn(run);
		run->now_ns += FLOOD_SECOND_NS / run->flood->syn_pps;
	}
	flood_rig_settle(&run->rig);
	result->packets = run->rig.packets - packets;
	result->cpu_ns = run->rig.cpu_ns - cpu_ns;
}

// The flood is over, the others go on: when is the table as before?
static void recover(struct syn_run *run, struct flood_syn_result *result)
{
	const uint64_t calm = run->flood->capacity / 100;
	const uint32_t ms_max = 60000;
	struct session_stats stats;
	bool is_open = true;
	bool is_flood = true;

	for (uint32_t ms = 1; ms < ms_max && (is_open || is_flood || ms <= run->flood->rtt_ms + 2);
	     ms++) {
		run->now_ns += NS_PER_MS;
		send_live(run, run->now_ns);
		send_honest(run, run->now_ns);
		flood_rig_settle(&run->rig);
		engine_get_session_stats(run->rig.engine, &stats);
		if (is_open)
			result->opening_ms = ms;
		if (is_flood)
			result->mode_ms = ms;
		is_open = is_open && stats.opening >= calm;
		is_flood = is_flood && stats.flood != 0;
	}
	result->evicted = stats.evicted;
	result->source_limited = stats.source_limited;
	result->floods = stats.floods;
}

// Each live session says a last word.
static void ask_live(struct syn_run *run)
{
	uint32_t live = run->flood->live;
	uint64_t first = (run->live_step / (2 * live) + 1) * (2 * live);

	for (uint32_t i = 0; i < live; i++) {
		struct flood_segment segment = live_segment(first + 2 * i, live);

		segment.kind = KIND_LAST;
		flood_rig_send_segment(&run->rig, &segment, run->now_ns);
	}
	flood_rig_settle(&run->rig);
}

static void count_honest(const struct syn_run *run, struct flood_syn_result *result)
{
	result->honest = run->honest_max;
	for (uint32_t i = 0; i < run->honest_max; i++)
		result->honest_accepted += run->honest_forwarded[i] == HONEST_STEPS;
}

void flood_syn_run(const struct flood_syn *flood, struct flood_syn_result *ret_result)
{
	struct syn_run *run = calloc(1, sizeof(*run));
	struct engine_config config;

	if (run == NULL)
		abort();
	*ret_result = (struct flood_syn_result){0};
	engine_config_init(&config);
	config.session_capacity = flood->capacity;
	config.is_inline = true;
	config.midstream = 0;
	config.hash_seed[0] = flood->seed + 1;
	if (flood->source_opening != 0)
		config.limits.source_opening = flood->source_opening;
	flood_rig_open(&run->rig, &config, flood->seed);
	run->flood = flood;
	run->now_ns = FLOOD_START_NS;
	run->honest_max =
		(uint32_t)((uint64_t)flood->syn_count * flood->honest_pps / flood->syn_pps);
	run->honest_forwarded = calloc(run->honest_max + 1, 1);
	if (run->honest_forwarded == NULL)
		abort();
	run->rig.owner = run;
	run->rig.forwarded = syn_forwarded;
	flood_rig_start(&run->rig);
	uint64_t resident_bytes = flood_resident_bytes();
	for (uint32_t i = 0; i < flood->live; i++)
		shake_hands(&run->rig, live_client(i), run->now_ns);
	run->live_next_ns = run->honest_begin_ns = run->now_ns;
	if (flood->syn_count != 0) {
		flood_with_syn(run, ret_result);
		run->honest_max = (uint32_t)run->honest_count[0];
		recover(run, ret_result);
		count_honest(run, ret_result);
	}
	ask_live(run);
	ret_result->live_kept = run->live_kept;
	ret_result->resident_bytes = flood_resident_bytes() - resident_bytes;
	flood_rig_close(&run->rig);
	free(run->honest_forwarded);
	free(run);
}

struct fragment_run {
	const struct flood_fragment *flood;
	struct flood_rig rig;
	uint64_t now_ns;
	uint64_t honest_count[3]; // datagrams whose piece was sent
	uint32_t frames_forwarded; // honest ones
};

static void piece_forwarded(void *owner, uint8_t kind, uint32_t who)
{
	struct fragment_run *run = owner;

	(void)who;
	run->frames_forwarded += kind == KIND_HONEST;
}

static void send_datagrams(struct fragment_run *run, uint64_t until_ns, uint64_t count_max)
{
	const struct flood_fragment *flood = run->flood;

	for (uint32_t place = 0; place < 3; place++) {
		while (run->honest_count[place] < count_max) {
			uint32_t who = (uint32_t)run->honest_count[place];
			const struct flood_piece piece = {
				.source = HONEST_FIRST + who % HONEST_CLIENTS,
				.destination = SERVER,
				.datagram = (uint16_t)(who / HONEST_CLIENTS),
				.offset = (uint16_t)(place * 1000),
				.length = 1000,
				.more = place < 2,
				.kind = KIND_HONEST,
				.who = who,
			};

			if (FLOOD_START_NS + place * flood->gap_ms * NS_PER_MS +
				    who * FLOOD_SECOND_NS / flood->honest_pps >
			    until_ns)
				break;
			flood_rig_send_piece(&run->rig, &piece, until_ns);
			run->honest_count[place]++;
		}
	}
}

static void flood_with_pieces(struct fragment_run *run, struct flood_fragment_result *result)
{
	const struct flood_fragment *flood = run->flood;
	uint64_t packets = run->rig.packets;
	uint64_t cpu_ns = run->rig.cpu_ns;
	struct packet_stats stats;

	for (uint32_t i = 0; i < flood->piece_count; i++) {
		uint64_t random = flood_rig_random(&run->rig);
		const struct flood_piece piece = {
			.source = flood->one_source ? ATTACKER : (uint32_t)random | 0x40000000u,
			.destination = SERVER,
			.datagram = (uint16_t)(random >> 32),
			.offset = i % 2 == 0 ? 0 : 8,
			.length = 8,
			.more = true,
			.kind = KIND_FLOOD,
		};

		send_datagrams(run, run->now_ns, UINT64_MAX);
		flood_rig_send_piece(&run->rig, &piece, run->now_ns);
		run->now_ns += FLOOD_SECOND_NS / flood->piece_pps;
		if (i % 1024 == 0) {
			engine_get_packet_stats(run->rig.engine, &stats);
			if (stats.held > result->held_peak)
				result->held_peak = stats.held;
		}
	}
	flood_rig_settle(&run->rig);
	result->packets = run->rig.packets - packets;
	result->cpu_ns = run->rig.cpu_ns - cpu_ns;
}

void flood_fragment_run(const struct flood_fragment *flood,
			struct flood_fragment_result *ret_result)
{
	struct fragment_run run = {.flood = flood, .now_ns = FLOOD_START_NS};
	struct engine_config config;

	*ret_result = (struct flood_fragment_result){0};
	engine_config_init(&config);
	config.session_capacity = 65536;
	config.is_inline = true;
	config.hash_seed[0] = flood->seed + 1;
	config.limits.fragment_memory_bytes = flood->memory_bytes;
	flood_rig_open(&run.rig, &config, flood->seed);
	run.rig.owner = &run;
	run.rig.forwarded = piece_forwarded;
	flood_rig_start(&run.rig);
	// The first session touches huge pages that are not the fragments'.
	const struct flood_piece whole = {
		.source = LIVE_FIRST, .destination = SERVER, .length = 1000, .kind = KIND_SETUP};
	flood_rig_send_piece(&run.rig, &whole, run.now_ns);
	flood_rig_settle(&run.rig);
	uint64_t resident_bytes = flood_resident_bytes();
	flood_with_pieces(&run, ret_result);
	ret_result->honest = (uint32_t)run.honest_count[0];
	// Those begun while it lasted have the rest of their pieces to come.
	send_datagrams(&run, run.now_ns + 2 * flood->gap_ms * NS_PER_MS, run.honest_count[0]);
	flood_rig_settle(&run.rig);
	ret_result->honest_whole = run.frames_forwarded / 3;
	ret_result->resident_bytes = flood_resident_bytes() - resident_bytes;
	flood_rig_close(&run.rig);
}

#define ORDERED 'o'
#define REORDERED 'r'
#define HONEST_LENGTH 1000u

struct disorder_run {
	const struct flood_disorder *flood;
	struct flood_rig rig;
	struct plugin plugin;
	uint64_t now_ns;
	struct flood_disorder_result *result;
};

static void count_delivered(struct session *session, void *context)
{
	struct disorder_run *run = pm_session_host_data(session);
	const struct event *event = session_get_event(session);

	(void)context;
	if (event->data_length == 0)
		return;
	if (event->data[0] == ORDERED)
		run->result->ordered_delivered += event->data_length;
	else if (event->data[0] == REORDERED)
		run->result->reordered_delivered += event->data_length;
}

static struct flood_address disorder_client(bool is_honest, uint32_t session)
{
	return (struct flood_address){(is_honest ? HONEST_FIRST : ATTACKER) + session / 50000,
				      (uint16_t)(1024 + session % 50000)};
}

// Turn t of an honest session: of ten segments the fifth is sent after the ninth when reordered.
static uint32_t honest_place(uint32_t turn, bool reordered)
{
	static const uint8_t order[10] = {0, 1, 2, 3, 5, 6, 7, 8, 4, 9};

	return reordered ? turn / 10 * 10 + order[turn % 10] : turn;
}

static void send_honest_turn(struct disorder_run *run, uint32_t turn)
{
	for (uint32_t i = 0; i < run->flood->honest; i++) {
		const struct flood_address client = disorder_client(true, i);
		bool reordered = i % 2 != 0;
		uint32_t place = 1 + honest_place(turn, reordered) * HONEST_LENGTH;
		struct flood_segment segment = session_segment(client, place, 1, ACK, false);

		segment.length = HONEST_LENGTH;
		segment.fill = reordered ? REORDERED : ORDERED;
		flood_rig_send_segment(&run->rig, &segment, run->now_ns);
		if (reordered)
			run->result->reordered_bytes += HONEST_LENGTH;
		else
			run->result->ordered_bytes += HONEST_LENGTH;
		if (turn % 10 != 9)
			continue;
		segment = session_segment(client, 1, 1 + (turn + 1) * HONEST_LENGTH, ACK, true);
		flood_rig_send_segment(&run->rig, &segment, run->now_ns);
	}
}

static void send_disorder_turn(struct disorder_run *run, uint32_t turn)
{
	for (uint32_t i = 0; i < run->flood->sessions; i++) {
		struct flood_segment segment =
			session_segment(disorder_client(false, i), 2 + 2 * turn, 1, ACK, false);

		segment.length = 1;
		segment.fill = 'x';
		flood_rig_send_segment(&run->rig, &segment, run->now_ns);
	}
}

static void flood_with_disorder(struct disorder_run *run)
{
	const struct flood_disorder *flood = run->flood;
	uint32_t turns =
		flood->segments > flood->honest_segments ? flood->segments : flood->honest_segments;
	uint32_t honest_turn = 0;
	struct stream_stats stats;

	for (uint32_t turn = 0; turn < turns; turn++) {
		if (turn < flood->segments)
			send_disorder_turn(run, turn);
		for (;
		     (uint64_t)honest_turn * turns < (uint64_t)(turn + 1) * flood->honest_segments;
		     honest_turn++)
			send_honest_turn(run, honest_turn);
		flood_rig_settle(&run->rig);
		engine_get_stream_stats(run->rig.engine, &stats);
		if (stats.held_bytes > run->result->peak_bytes)
			run->result->peak_bytes = stats.held_bytes;
		run->now_ns += NS_PER_MS;
	}
}

void flood_disorder_run(const struct flood_disorder *flood,
			struct flood_disorder_result *ret_result)
{
	struct disorder_run run = {
		.flood = flood,
		.plugin =
			{
				STELLAR_PLUGIN_HEADER,
				.name = "reader",
				.version = "1",
				.events = STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA),
				.fail_action = STELLAR_FAIL_OPEN,
				.entry = count_delivered,
			},
		.now_ns = FLOOD_START_NS,
		.result = ret_result,
	};
	struct engine_config config;
	char error[256] = "";

	*ret_result = (struct flood_disorder_result){0};
	engine_config_init(&config);
	config.session_capacity = 65536;
	config.is_inline = true;
	config.midstream = 0;
	config.hash_seed[0] = 1;
	config.limits.stream_memory_bytes = flood->memory_bytes;
	flood_rig_open(&run.rig, &config, 1);
	if (engine_add_plugin(run.rig.engine, &run.plugin, &run, error, sizeof(error)) < 0)
		abort();
	flood_rig_start(&run.rig);
	for (uint32_t i = 0; i < flood->honest; i++)
		shake_hands(&run.rig, disorder_client(true, i), run.now_ns);
	for (uint32_t i = 0; i < flood->sessions; i++)
		shake_hands(&run.rig, disorder_client(false, i), run.now_ns);
	flood_rig_settle(&run.rig);
	uint64_t resident_bytes = flood_resident_bytes();
	uint64_t packets = run.rig.packets;
	uint64_t cpu_ns = run.rig.cpu_ns;
	flood_with_disorder(&run);
	ret_result->packets = run.rig.packets - packets;
	ret_result->cpu_ns = run.rig.cpu_ns - cpu_ns;
	ret_result->resident_bytes = flood_resident_bytes() - resident_bytes;
	flood_rig_close(&run.rig);
}
