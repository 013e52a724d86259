// SPDX-License-Identifier: Apache-2.0

// See recording_replay.h, and engine_replay in <stellar/engine.h>.

#define _GNU_SOURCE
#include "engine/recording_replay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/recording.h"
#include "engine/plugin_call.h"
#include "engine/worker.h"

#define RESULTS_MAX 65536u // of devices, after one burst
#define PATH_SIZE 4096u

struct mapping {
	uint8_t *bytes;
	size_t size;
};

struct recording_replay {
	struct engine *engine;
	struct worker *worker;
	char *path;
	uint64_t run;
	uint64_t sequence; // of the segment that is open
	struct mapping mapping; // of it
	struct mapping previous; // frames of the block in hand may lie there
	struct recording_reader reader;
	struct recording_block block;
	struct recording_block following;
	bool has_following; // read already
	uint32_t opened; // segments, since the block in hand was read
	int following_result;
	struct recording_tx *results; // of devices, after the block in hand
	uint32_t result_count;
	uint32_t result_next;
	uint32_t results_size;
	uint32_t tx_calls;
	bool is_whole; // from the beginning, and every packet
	uint16_t plugin_versions[STELLAR_PLUGINS_MAX]; // that the engine has, or is about to have
	bool has_begun;
	struct replay_until until;
	struct replay_position position;
};

static void unmap(struct mapping *mapping)
{
	if (mapping->bytes != NULL)
		munmap(mapping->bytes, mapping->size);
	*mapping = (struct mapping){0};
}

static int map_file(const char *path, struct mapping *ret_mapping)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0 || status.st_size <= 0) {
		close(fd);
		return -EBADMSG;
	}
	// Private: frames are the engine's to write to.
	void *bytes =
		mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	int result = bytes == MAP_FAILED ? -errno : 0;

	close(fd);
	if (result == 0)
		*ret_mapping = (struct mapping){bytes, (size_t)status.st_size};
	return result;
}

static int open_segment(struct recording_replay *replay, uint64_t sequence, char *error,
			size_t error_size)
{
	char name[RECORDING_NAME_MAX];
	char path[PATH_SIZE];
	struct mapping mapping;
	struct recording_reader reader;
	char reason[160];

	recording_segment_name(name, replay->worker->id, sequence);
	snprintf(path, sizeof(path), "%s/%s", replay->path, name);
	int result = map_file(path, &mapping);

	if (result == -ENOENT)
		return result;
	if (result != 0) {
		snprintf(error, error_size, "%s: %s", name, strerror(-result));
		return -EBADMSG;
	}
	result =
		recording_reader_init(&reader, mapping.bytes, mapping.size, reason, sizeof(reason));
	if (result == 0 &&
	    (reader.header.sequence != sequence || reader.header.worker_id != replay->worker->id)) {
		snprintf(reason, sizeof(reason), "it is another segment than its name says");
		result = -EBADMSG;
	}
	if (result == 0 && replay->run != 0 && reader.header.run != replay->run) {
		snprintf(reason, sizeof(reason), "it is of another run");
		result = -EBADMSG;
	}
	if (result != 0) {
		snprintf(error, error_size, "%s: %s", name, reason);
		unmap(&mapping);
		return result;
	}
	unmap(&replay->previous);
	replay->previous = replay->mapping;
	replay->mapping = mapping;
	replay->reader = reader;
	replay->run = reader.header.run;
	replay->sequence = sequence;
	return 0;
}

// The next block, in this segment or the one after it. Returns 1, 0 at the end, -EBADMSG.
static int read_on(struct recording_replay *replay, struct recording_block *block)
{
	struct replay_position *position = &replay->position;
	char reason[160];

	for (;;) {
		int result = recording_reader_next(&replay->reader, block, reason, sizeof(reason));

		if (result < 0)
			snprintf(position->line, sizeof(position->line), "segment %" PRIu64 ": %s",
				 replay->sequence, reason);
		if (result != 0)
			return result;
		if (replay->opened == 1 && replay->has_following) {
			snprintf(position->line, sizeof(position->line),
				 "segment %" PRIu64 ": it is too short", replay->sequence);
			return -EBADMSG;
		}
		result = open_segment(replay, replay->sequence + 1, position->line,
				      sizeof(position->line));
		replay->opened++;
		if (result == -ENOENT || result == -ENODATA) // made ahead, and not begun
			return 0;
		if (result != 0)
			return result;
	}
}

static int add_result(struct recording_replay *replay, const struct recording_tx *tx)
{
	if (replay->result_count == RESULTS_MAX)
		return -EBADMSG;
	if (replay->result_count == replay->results_size) {
		uint32_t size = replay->results_size == 0 ? 64 : 2 * replay->results_size;
		struct recording_tx *results =
			realloc(replay->results, size * sizeof(*replay->results));

		if (results == NULL)
			return -ENOMEM;
		replay->results = results;
		replay->results_size = size;
	}
	replay->results[replay->result_count++] = *tx;
	return 0;
}

// Take the next block, with what devices answered after it. Returns as read_on.
static int take_block(struct recording_replay *replay)
{
	int result = replay->has_following ? replay->following_result
					   : read_on(replay, &replay->following);

	replay->has_following = true; // from here on the mapping of the block is needed
	replay->opened = 0;
	replay->block = replay->following;
	replay->result_count = 0;
	replay->result_next = 0;
	replay->tx_calls = 0;
	if (result <= 0)
		return result;
	for (;;) {
		replay->following_result = read_on(replay, &replay->following);
		if (replay->following_result <= 0 || replay->following.type != RECORDING_TX)
			return result;
		if (add_result(replay, &replay->following.tx) != 0) {
			snprintf(replay->position.line, sizeof(replay->position.line),
				 "segment %" PRIu64 ": too many answers of devices",
				 replay->sequence);
			return -EBADMSG;
		}
	}
}

static void diverge(struct recording_replay *replay)
{
	if (replay->is_whole && replay->position.diverged_packet == 0)
		replay->position.diverged_packet = replay->position.packets + 1;
}

int recording_replay_tx(struct worker *worker, uint16_t interface_id, uint32_t count)
{
	struct recording_replay *replay = worker->engine->recorded;
	uint32_t call = replay->tx_calls++;

	if (replay->result_next == replay->result_count ||
	    replay->results[replay->result_next].call != call)
		return (int)count;
	const struct recording_tx *tx = &replay->results[replay->result_next++];

	if (tx->interface_id != interface_id || tx->result >= (int)count) {
		diverge(replay);
		return (int)count;
	}
	return tx->result;
}

// Whether a whole value is there: what follows it ends it.
static bool has_text(const char *line, size_t length, const char *text)
{
	size_t size = strlen(text);
	const char *at = line;
	const char *end = line + length;

	while ((at = memmem(at, (size_t)(end - at), text, size)) != NULL) {
		const char *after = at + size;

		if (after < end && (*after == ',' || *after == '}' || *after == ']'))
			return true;
		at++;
	}
	return false;
}

static bool is_wanted(const struct replay_until *until, const char *line, size_t length)
{
	for (size_t i = 0; i < until->text_count; i++) {
		if (!has_text(line, length, until->texts[i]))
			return false;
	}
	return true;
}

static size_t watch(void *owner, const char *text, size_t length)
{
	struct recording_replay *replay = owner;
	size_t at = 0;

	while (at < length) {
		const char *newline = memchr(text + at, '\n', length - at);
		size_t end = newline != NULL ? (size_t)(newline - text) + 1 : length;

		if (is_wanted(&replay->until, text + at, end - at)) {
			replay->engine->output.has_ended = true;
			replay->position.end = STELLAR_REPLAY_STOPPED;
			return end;
		}
		at = end;
	}
	return length;
}

// Whether an event was what the caller waits for.
static bool is_stopped(struct recording_replay *replay)
{
	struct output *output = &replay->engine->output;

	if (replay->until.text_count > 0)
		output_drain(output, &replay->worker->output_ring);
	return output->has_ended;
}

// Whether time is up; the packet or the idle time that it is asked before is not replayed then.
static bool is_time_up(struct recording_replay *replay, uint64_t time_ns)
{
	if (replay->until.time_ns == 0 || time_ns < replay->until.time_ns)
		return false;
	replay->position.end = STELLAR_REPLAY_STOPPED;
	return true;
}

// Bursts of one packet do what the burst did (the order law), and stop where they are asked to; but
// what devices answered counts calls for a whole burst.
static bool replay_burst(struct recording_replay *replay)
{
	struct worker *worker = replay->worker;
	const struct recording_burst *burst = &replay->block.burst;
	bool by_one = (replay->until.text_count > 0 || replay->until.time_ns != 0) &&
		      replay->result_count == 0;
	size_t step = by_one ? 1 : burst->count;

	if (burst->witness != recording_witness(worker))
		diverge(replay);
	for (size_t i = 0; i < burst->count; i += step) {
		uint64_t time_ns =
			burst->clock_ns != 0 ? burst->clock_ns : replay->block.frames[i].time_ns;

		if (is_time_up(replay, time_ns))
			return false;
		memcpy(worker->frames, &replay->block.frames[i], step * sizeof(struct frame));
		worker_process_burst(worker, burst->ingress_id, step, burst->clock_ns);
		replay->position.packets += step;
		if (is_stopped(replay))
			return false;
	}
	replay->position.bursts++;
	worker_boundary(worker);
	return true;
}

static int apply_policy(struct recording_replay *replay, uint32_t generation)
{
	struct replay_position *position = &replay->position;
	char path[PATH_SIZE];
	char reason[160] = "";
	struct mapping image;

	// A segment's header and a block may both say it.
	if (engine_policy_generation(replay->engine) == generation)
		return 0;
	snprintf(path, sizeof(path), "%s/policy-%u.bin", replay->path, generation);
	int result = map_file(path, &image);

	if (result == 0) {
		result = engine_policy_apply(replay->engine, image.bytes, image.size, reason,
					     sizeof(reason));
		unmap(&image);
	}
	if (result < 0)
		snprintf(position->line, sizeof(position->line), "policy-%u.bin: %s", generation,
			 reason[0] != '\0' ? reason : strerror(-result));
	position->generation = generation;
	return result;
}

// disabled: of the versions in force.
static void replay_disabled(struct recording_replay *replay, uint64_t disabled)
{
	struct engine *engine = replay->engine;

	for (size_t id = 0; id < engine->plugin_count; id++) {
		struct plugin_host *host = engine->plugins[id];
		uint64_t bit = UINT64_C(1) << id;

		if ((disabled & bit) != 0)
			plugin_disable(host);
		else
			atomic_fetch_and(&engine->disabled[host->number], ~bit);
	}
	plugin_follow(replay->worker);
}

static bool replay_finish(struct recording_replay *replay)
{
	atomic_store(&replay->engine->hand_over, replay->block.finish.hand_over != 0);
	worker_finish(replay->worker);
	atomic_store(&replay->engine->hand_over, false);
	replay->position.end = STELLAR_REPLAY_FINISHED;
	if (is_stopped(replay))
		replay->position.end = STELLAR_REPLAY_STOPPED;
	return false;
}

static bool replay_clock(struct recording_replay *replay)
{
	const struct recording_clock *clock = &replay->block.clock;

	if (is_time_up(replay, clock->clock_ns))
		return false;
	worker_pass_time(replay->worker, clock->clock_ns, clock->is_idle != 0);
	if (is_stopped(replay))
		return false;
	worker_boundary(replay->worker);
	return true;
}

static bool replay_policy(struct recording_replay *replay)
{
	if (apply_policy(replay, replay->block.policy.generation) == 0)
		return true;
	replay->position.end = STELLAR_REPLAY_DAMAGED;
	return false;
}

static void ask_plugin(struct recording_replay *replay, uint16_t plugin_id, uint16_t version)
{
	replay->position.end = STELLAR_REPLAY_PLUGIN;
	replay->position.plugin_id = plugin_id;
	replay->position.plugin_version = version;
	if (plugin_id < replay->engine->plugin_count) {
		replay->plugin_versions[plugin_id] = version;
		return;
	}
	replay->position.end = STELLAR_REPLAY_DAMAGED;
	snprintf(replay->position.line, sizeof(replay->position.line), "plugin %u is not there",
		 plugin_id);
}

static bool replay_plugin(struct recording_replay *replay)
{
	const struct recording_plugin *plugin = &replay->block.plugin;

	ask_plugin(replay, plugin->plugin_id, plugin->version);
	return false;
}

// Whether a plugin has to take the version first that it had when what is left of the recording
// begins.
static bool is_behind(struct recording_replay *replay)
{
	if (replay->has_begun)
		return false;
	for (uint16_t id = 0; id < STELLAR_PLUGINS_MAX; id++) {
		uint16_t version = replay->reader.header.plugin_versions[id];

		if (version <= replay->plugin_versions[id])
			continue;
		ask_plugin(replay, id, version);
		return true;
	}
	if (replay->reader.header.disabled != 0)
		replay_disabled(replay, replay->reader.header.disabled);
	replay->has_begun = true;
	return false;
}

// Do what a block says. Returns whether to go on; else position.end says why not.
static bool replay_block(struct recording_replay *replay)
{
	const struct recording_block *block = &replay->block;

	switch ((enum recording_type)block->type) {
	case RECORDING_BURST:
		if (block->burst.ingress_id < replay->engine->interface_count)
			return replay_burst(replay);
		replay->position.end = STELLAR_REPLAY_DAMAGED;
		snprintf(replay->position.line, sizeof(replay->position.line),
			 "interface %u is not there", block->burst.ingress_id);
		return false;
	case RECORDING_CLOCK:
		return replay_clock(replay);
	case RECORDING_POLICY:
		return replay_policy(replay);
	case RECORDING_PLUGIN:
		return replay_plugin(replay);
	case RECORDING_DISABLED:
		replay_disabled(replay, block->disabled.disabled);
		return true;
	case RECORDING_FINISH:
		return replay_finish(replay);
	case RECORDING_TX: // of a block that is gone
	default:
		return true;
	}
}

// The oldest segment that is there. Returns 0 or -ENOENT.
static int find_beginning(const struct recording_replay *replay, uint64_t *ret_sequence)
{
	DIR *directory = opendir(replay->path);
	int result = -ENOENT;

	if (directory == NULL)
		return -errno;
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		uint64_t sequence;
		uint32_t worker_id;
		char name[RECORDING_NAME_MAX];

		if (sscanf(entry->d_name, "worker-%" SCNu32 "-%" SCNu64, &worker_id, &sequence) !=
			    2 ||
		    worker_id != replay->worker->id)
			continue;
		recording_segment_name(name, worker_id, sequence);
		if (strcmp(name, entry->d_name) != 0 || (result == 0 && sequence > *ret_sequence))
			continue;
		*ret_sequence = sequence;
		result = 0;
	}
	closedir(directory);
	return result;
}

// The worker as it was when the first segment that is left began; but for its sessions.
static int take_up(struct recording_replay *replay)
{
	const struct recording_segment_header *header = &replay->reader.header;
	struct worker *worker = replay->worker;
	struct replay_position *position = &replay->position;

	replay->is_whole = header->sequence == 0 && header->resumed == 0 && !header->is_filtered;
	position->resumed = header->resumed;
	position->lost_packets = header->packet_count;
	position->packets = header->packet_count;
	position->bursts = header->burst_count;
	if (header->sequence > 0) {
		worker->start_ns = header->start_ns;
		worker->next_stats_ns = header->next_stats_ns;
		worker->table->serial = header->session_serial;
	}
	return header->policy_generation != 0 ? apply_policy(replay, header->policy_generation) : 0;
}

static int open_replay(struct engine *engine, const char *path, char *error, size_t error_size)
{
	struct recording_replay *replay = calloc(1, sizeof(*replay));
	uint64_t sequence = 0;

	if (replay == NULL || (replay->path = strdup(path)) == NULL) {
		free(replay);
		snprintf(error, error_size, "%s: no memory", path);
		return -ENOMEM;
	}
	engine->recorded = replay;
	replay->engine = engine;
	replay->worker = engine->workers[0];
	char reason[256] = "";
	int result = find_beginning(replay, &sequence);

	if (result == 0)
		result = open_segment(replay, sequence, reason, sizeof(reason));
	const struct recording_segment_header *header = &replay->reader.header;

	if (result == 0 && (header->abi_version != STELLAR_ABI_VERSION ||
			    header->worker_count != engine->config.worker_count)) {
		snprintf(reason, sizeof(reason),
			 "expected a recording of ABI %u and %u workers, found %u and %u",
			 STELLAR_ABI_VERSION, engine->config.worker_count, header->abi_version,
			 header->worker_count);
		result = -EINVAL;
	}
	if (result == 0 && (result = take_up(replay)) != 0)
		snprintf(reason, sizeof(reason), "%s", replay->position.line);
	if (result != 0)
		snprintf(error, error_size, "%s: %s", path,
			 reason[0] != '\0' ? reason : "expected a recording, found no segment");
	return result;
}

static void replay_on(struct recording_replay *replay)
{
	struct replay_position *position = &replay->position;
	int result;

	if (is_behind(replay))
		return;
	do {
		result = take_block(replay);
		if (result > 0)
			continue;
		position->end = result == 0 ? STELLAR_REPLAY_CUT : STELLAR_REPLAY_DAMAGED;
	} while (result > 0 && replay_block(replay));
}

int engine_replay(struct engine *engine, const char *path, const struct replay_until *until,
		  struct replay_position *ret_position, char *error, size_t error_size)
{
	if (!engine->started || engine->is_live || engine_get_running_workers(engine) > 0 ||
	    engine->config.worker_count != 1) {
		snprintf(error, error_size,
			 "replay: expected one worker that does not run, and no live device");
		return -EINVAL;
	}
	if (engine->recorded == NULL) {
		int result = open_replay(engine, path, error, error_size);

		if (result != 0) {
			recording_replay_close(engine);
			return result;
		}
	}
	struct recording_replay *replay = engine->recorded;
	struct output *output = &engine->output;

	replay->until = until != NULL ? *until : (struct replay_until){0};
	if (replay->until.text_count > STELLAR_UNTIL_TEXTS_MAX)
		replay->until.text_count = STELLAR_UNTIL_TEXTS_MAX;
	output->watch = replay->until.text_count > 0 ? watch : NULL;
	output->watch_owner = replay;
	replay_on(replay);
	replay->position.time_ns = replay->worker->now_ns;
	replay->position.generation = engine_policy_generation(engine);
	if (output->path != NULL) {
		output_drain(output, &replay->worker->output_ring);
		output_flush(output);
	}
	// What was open when the recording ended was open then.
	output->has_ended = replay->position.end != STELLAR_REPLAY_PLUGIN;
	worker_publish(replay->worker);
	*ret_position = replay->position;
	return 0;
}

void recording_replay_close(struct engine *engine)
{
	struct recording_replay *replay = engine->recorded;

	if (replay == NULL)
		return;
	unmap(&replay->mapping);
	unmap(&replay->previous);
	free(replay->results);
	free(replay->path);
	free(replay);
	engine->recorded = NULL;
}
