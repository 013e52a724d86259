// SPDX-License-Identifier: Apache-2.0

#include "engine/warm_restart.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/worker.h"
#include "session/region.h"
#include "session/resume.h"

#define LINE_SIZE 512
#define REASON_SIZE 256
#define NAME_SIZE 32
#define ALL_FLAGS \
	(SESSION_ORIGINATOR_IS_HIGH | SESSION_HAS_ALIAS | SESSION_LOCKED | \
	 SESSION_ICMP_REPLY_FIRST | SESSION_SCALE_OFFERED | SESSION_MIDSTREAM | \
	 SESSION_ALIAS_ORIGINATOR_IS_HIGH | SESSION_BLOCKED | SESSION_BYPASSED | \
	 SESSION_HAS_CHILDREN | SESSION_BLOCKED_BY_POLICY | SESSION_RESUMED | SESSION_UNHEARD | \
	 SESSION_REPLY_RST | SESSION_REPLY_ICMP)

// What the engine remembers beside the lines of a worker.
struct sessions_header {
	struct session_marks marks;
	uint64_t secret[2];
	uint64_t clock_offset_ns;
	uint64_t run; // of one series of engines: files of two never mix
};

struct worker_memory {
	struct region *sessions;
	struct region *contexts;
	struct region *old_contexts; // of other plugins: to be followed into `contexts`
};

struct warm_restart {
	int directory[SESSION_DIRECTORIES_MAX];
	uint32_t directory_count; // usable ones
	const char *path[SESSION_DIRECTORIES_MAX];
	uint32_t chosen; // where the files are
	bool is_in_use; // false: private memory
	bool has_sessions; // of a predecessor
	char reason[REASON_SIZE]; // why not
	char line[LINE_SIZE];
	uint64_t began_ns;
	uint64_t run;
	struct worker_memory worker[STELLAR_WORKERS_MAX];
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// The first reason is the one to tell.
static void note(struct warm_restart *restart, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void note(struct warm_restart *restart, const char *format, ...)
{
	va_list arguments;

	if (restart->reason[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(restart->reason, sizeof(restart->reason), format, arguments);
	va_end(arguments);
}

int engine_add_session_directory(struct engine *engine, const char *path, char *error,
				 size_t error_size)
{
	const char *problem = engine->start_tried ? "the engine has started"
			      : path[0] != '/'	  ? "expected an absolute path"
			      : engine->session_directory_count == SESSION_DIRECTORIES_MAX
				      ? "too many directories"
				      : NULL;

	if (problem != NULL) {
		snprintf(error, error_size, "session directory %s: %s", path, problem);
		return -EINVAL;
	}
	char *copy = strdup(path);

	if (copy == NULL) {
		snprintf(error, error_size, "session directory %s: no memory", path);
		return -ENOMEM;
	}
	engine->session_directories[engine->session_directory_count++] = copy;
	return 0;
}

const char *engine_get_resume_line(const struct engine *engine)
{
	return engine->restart != NULL ? engine->restart->line : "";
}

void engine_hand_over(struct engine *engine)
{
	if (engine->restart != NULL && engine->restart->is_in_use)
		atomic_store(&engine->hand_over, true);
	engine_stop(engine);
}

static const char *directory_problem(int result)
{
	switch (result) {
	case -EBUSY:
		return "another engine uses it";
	case -EPERM:
		return "others may write there, or it is not ours";
	case -EMEDIUMTYPE:
		return "expected a tmpfs or hugetlbfs, found another filesystem";
	default:
		return strerror(-result);
	}
}

static const char *file_problem(int result)
{
	switch (result) {
	case -ESTALE:
		return "it is of another build, capacity, number of workers or topology";
	case -EBADMSG:
		return "it is damaged";
	default:
		return strerror(-result);
	}
}

static void open_directories(struct engine *engine, struct warm_restart *restart)
{
	for (uint32_t i = 0; i < engine->session_directory_count; i++) {
		const char *path = engine->session_directories[i];
		int directory = region_directory_open(path);

		if (directory < 0) {
			note(restart, "%s: %s", path, directory_problem(directory));
			continue;
		}
		restart->directory[restart->directory_count] = directory;
		restart->path[restart->directory_count++] = path;
	}
}

// Ids of interfaces stand in sessions, so the topology must be the same.
static uint64_t make_identity(const struct engine *engine, uint32_t worker_id)
{
	const uint32_t numbers[] = {
		STELLAR_ABI_VERSION,	 worker_id,	  engine->config.worker_count,
		engine->interface_count, POLICY_SETS_MAX, sizeof(struct sessions_header),
		SESSION_RESUMED,	 SESSION_BLOCKED,
	};
	uint64_t identity = region_identity_add(REGION_IDENTITY_START, numbers, sizeof(numbers));

	for (uint16_t id = 0; id < engine->interface_count; id++) {
		const struct interface *interface = &engine->interfaces[id];
		const uint32_t place[] = {interface->role, interface->peer_id,
					  interface->worker_id};

		identity = region_identity_add(identity, interface->name, strlen(interface->name));
		identity = region_identity_add(identity, place, sizeof(place));
	}
	return identity;
}

static struct region_shape sessions_shape(const struct engine *engine, uint32_t worker_id)
{
	struct region_shape shape = {
		.identity = make_identity(engine, worker_id),
		.header_size = sizeof(struct sessions_header),
	};

	session_resume_add_shape(engine->config.session_capacity, &shape);
	return shape;
}

// record_size 0: that of the file.
static struct region_shape contexts_shape(const struct engine *engine, uint32_t worker_id,
					  size_t record_size)
{
	uint64_t chunks = (engine->config.session_capacity + SLAB_CHUNK - 1) / SLAB_CHUNK;

	return (struct region_shape){
		.identity = make_identity(engine, worker_id),
		.header_size = contexts_header_size(),
		.array_count = 1,
		.array = {{record_size, chunks * SLAB_CHUNK}},
	};
}

static void file_names(uint32_t worker_id, char *ret_sessions, char *ret_contexts)
{
	snprintf(ret_sessions, NAME_SIZE, "sessions-%u", worker_id);
	snprintf(ret_contexts, NAME_SIZE, "contexts-%u", worker_id);
}

static void close_worker(struct worker_memory *memory)
{
	region_close(memory->sessions);
	region_close(memory->contexts);
	region_close(memory->old_contexts);
	*memory = (struct worker_memory){0};
}

static void remove_files(int directory)
{
	for (uint32_t i = 0; i < STELLAR_WORKERS_MAX; i++) {
		char sessions[NAME_SIZE];
		char contexts[NAME_SIZE];

		file_names(i, sessions, contexts);
		region_remove(directory, sessions);
		region_remove(directory, contexts);
	}
}

static struct sessions_header *header_of(const struct warm_restart *restart, uint32_t worker_id)
{
	return restart->worker[worker_id].sessions->header;
}

// New files for one worker, in place of what is there. Returns 0 or -errno.
static int make_files(struct engine *engine, uint32_t worker_id)
{
	struct warm_restart *restart = engine->restart;
	struct worker_memory *memory = &restart->worker[worker_id];
	int directory = restart->directory[restart->chosen];
	struct region_shape sessions = sessions_shape(engine, worker_id);
	struct region_shape contexts = contexts_shape(engine, worker_id, engine->block_size);
	char sessions_name[NAME_SIZE];
	char contexts_name[NAME_SIZE];

	file_names(worker_id, sessions_name, contexts_name);
	region_remove(directory, sessions_name);
	region_remove(directory, contexts_name);
	int result = region_create(directory, sessions_name, &sessions, &memory->sessions);

	if (result == 0)
		result = region_create(directory, contexts_name, &contexts, &memory->contexts);
	if (result == 0) {
		*(struct sessions_header *)memory->sessions->header = (struct sessions_header){
			.secret = {engine->config.hash_seed[0], engine->config.hash_seed[1]},
			.clock_offset_ns = engine->clock_offset_ns,
			.run = restart->run,
		};
		contexts_describe(engine, memory->contexts->header);
		result = region_publish(directory, contexts_name);
	}
	if (result == 0)
		result = region_publish(directory, sessions_name);
	if (result != 0)
		close_worker(memory);
	return result;
}

// Whether a found header can be this engine's. The engine's own clock goes on where it stood.
static bool check_header(const struct engine *engine, const struct sessions_header *header,
			 const struct sessions_header *first, const char **ret_problem)
{
	const struct engine_config *config = &engine->config;

	*ret_problem = NULL;
	if (memcmp(header->secret, first->secret, sizeof(header->secret)) != 0 ||
	    header->clock_offset_ns != first->clock_offset_ns || header->run != first->run)
		*ret_problem = "it belongs to another run than that of worker 0";
	else if (engine->has_own_seed &&
		 memcmp(header->secret, config->hash_seed, sizeof(header->secret)) != 0)
		*ret_problem = "its hash secret is not the one that was asked for";
	else if (engine->is_live && header->marks.now_ns > monotonic_ns() + header->clock_offset_ns)
		*ret_problem = "its time lies in the future";
	return *ret_problem == NULL;
}

// The contexts of one worker: as they are when the plugins are the same, else to be followed.
static int open_contexts(struct engine *engine, uint32_t worker_id, int directory, const char *name)
{
	struct worker_memory *memory = &engine->restart->worker[worker_id];
	struct region_shape any = contexts_shape(engine, worker_id, 0);
	struct region_shape shape = contexts_shape(engine, worker_id, engine->block_size);
	struct region *found;
	int result = region_open(directory, name, &any, &found);

	if (result != 0)
		return result;
	if (!contexts_check(found->header, found->array[0].record_size)) {
		region_close(found);
		return -EBADMSG;
	}
	if (contexts_are_equal(engine, found->header)) {
		memory->contexts = found;
		return 0;
	}
	memory->old_contexts = found;
	result = region_create(directory, name, &shape, &memory->contexts);
	if (result == 0)
		contexts_describe(engine, memory->contexts->header);
	return result;
}

// Returns 0, -ENOENT (nothing there) or another -errno, with a reason noted.
static int open_worker(struct engine *engine, uint32_t worker_id)
{
	struct warm_restart *restart = engine->restart;
	struct worker_memory *memory = &restart->worker[worker_id];
	int directory = restart->directory[restart->chosen];
	const char *path = restart->path[restart->chosen];
	struct region_shape shape = sessions_shape(engine, worker_id);
	char sessions[NAME_SIZE];
	char contexts[NAME_SIZE];
	const char *problem;

	file_names(worker_id, sessions, contexts);
	int result = region_open(directory, sessions, &shape, &memory->sessions);

	if (result != 0) {
		if (result != -ENOENT || worker_id > 0)
			note(restart, "%s/%s: %s", path, sessions, file_problem(result));
		return result;
	}
	if (!check_header(engine, memory->sessions->header, header_of(restart, 0), &problem)) {
		note(restart, "%s/%s: %s", path, sessions, problem);
		return -ESTALE;
	}
	result = open_contexts(engine, worker_id, directory, contexts);
	if (result != 0)
		note(restart, "%s/%s: %s", path, contexts, file_problem(result));
	return result;
}

static void close_workers(struct warm_restart *restart)
{
	for (uint32_t i = 0; i < STELLAR_WORKERS_MAX; i++)
		close_worker(&restart->worker[i]);
}

// All workers' files of the chosen directory, or none.
static bool open_all(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		if (open_worker(engine, i) != 0) {
			close_workers(engine->restart);
			return false;
		}
	}
	const struct sessions_header *header = header_of(engine->restart, 0);

	memcpy(engine->config.hash_seed, header->secret, sizeof(header->secret));
	engine->clock_offset_ns = header->clock_offset_ns;
	engine->restart->run = header->run;
	return true;
}

static bool make_all(struct engine *engine)
{
	struct warm_restart *restart = engine->restart;

	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		int result = make_files(engine, i);

		if (result != 0) {
			note(restart, "%s: %s", restart->path[restart->chosen],
			     result == -ENOSPC ? "its memory is short" : strerror(-result));
			close_workers(restart);
			remove_files(restart->directory[restart->chosen]);
			return false;
		}
	}
	return true;
}

static bool try_each(struct engine *engine, bool (*attempt)(struct engine *engine))
{
	struct warm_restart *restart = engine->restart;

	for (restart->chosen = 0; restart->chosen < restart->directory_count; restart->chosen++) {
		if (attempt(engine))
			return true;
	}
	return false;
}

void warm_restart_open(struct engine *engine)
{
	if (engine->session_directory_count == 0)
		return;
	struct warm_restart *restart = calloc(1, sizeof(*restart));

	if (restart == NULL)
		return;
	engine->restart = restart;
	restart->began_ns = monotonic_ns();
	open_directories(engine, restart);
	restart->has_sessions = try_each(engine, open_all);
	restart->is_in_use = restart->has_sessions;
	if (restart->has_sessions)
		return;
	for (uint32_t i = 0; i < restart->directory_count; i++)
		remove_files(restart->directory[i]);
	restart->run = restart->began_ns;
	restart->is_in_use = try_each(engine, make_all);
}

struct session_memory warm_restart_get_memory(struct worker *worker)
{
	const struct warm_restart *restart = worker->engine->restart;

	if (restart == NULL || restart->worker[worker->id].sessions == NULL)
		return (struct session_memory){0};
	struct region *sessions = restart->worker[worker->id].sessions;

	worker->blocks.area = &restart->worker[worker->id].contexts->array[0];
	return (struct session_memory){
		.hot = &sessions->array[0],
		.cold = &sessions->array[1],
		.extensions = &sessions->array[2],
		.marks = &header_of(restart, worker->id)->marks,
	};
}

bool warm_restart_has_sessions(const struct worker *worker)
{
	return worker->engine->restart != NULL && worker->engine->restart->has_sessions;
}

// What the worker keeps beside its table.
static void count_sessions(struct worker *worker)
{
	struct session_table *table = worker->table;

	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		uint32_t generation = table->cold[index].generation;

		table->hot[index].flags &= (uint16_t)~SESSION_UNHEARD;
		table->hot[index].flags |= SESSION_RESUMED;
		if (table->hot[index].state == STELLAR_SESSION_OPENING)
			opening_guard_enter(worker, index);
		if (generation != 0)
			atomic_fetch_add_explicit(
				&worker->generation_sessions[generation % POLICY_SETS_MAX], 1,
				memory_order_relaxed);
	}
}

// The blocks, and the file of the new plugins in place of the old one's.
static int64_t resume_contexts(struct worker *worker)
{
	struct warm_restart *restart = worker->engine->restart;
	struct worker_memory *memory = &restart->worker[worker->id];
	struct region *found =
		memory->old_contexts != NULL ? memory->old_contexts : memory->contexts;
	int64_t dropped = contexts_resume(worker, found->header, &found->array[0]);
	char sessions[NAME_SIZE];
	char contexts[NAME_SIZE];

	if (dropped < 0 || memory->old_contexts == NULL)
		return dropped;
	file_names(worker->id, sessions, contexts);
	int result = region_publish(restart->directory[restart->chosen], contexts);

	region_close(memory->old_contexts);
	memory->old_contexts = NULL;
	return result == 0 ? dropped : result;
}

int warm_restart_resume(struct worker *worker)
{
	struct engine *engine = worker->engine;
	struct warm_restart *restart = engine->restart;
	const struct session_resume resume = {
		.interface_count = engine->interface_count,
		.flags = ALL_FLAGS,
	};
	struct session_resume_count count = {0};
	int result = session_table_resume(worker->table, &resume, &count);
	int64_t dropped = result == 0 ? resume_contexts(worker) : result;

	if (dropped < 0) {
		note(restart, "%s: worker %u: %s", restart->path[restart->chosen], worker->id,
		     file_problem((int)dropped));
		return (int)dropped;
	}
	count_sessions(worker);
	worker->now_ns = worker->table->memory.marks->now_ns;
	worker->ledger.sessions.active = worker->table->count;
	worker->ledger.sessions.resumed = count.resumed - (uint64_t)dropped;
	worker->ledger.sessions.torn = count.torn + (uint64_t)dropped;
	return 0;
}

void warm_restart_renew(struct worker *worker)
{
	struct warm_restart *restart = worker->engine->restart;

	close_worker(&restart->worker[worker->id]);
	if (make_files(worker->engine, worker->id) != 0)
		note(restart, "%s: its memory is short", restart->path[restart->chosen]);
}

void warm_restart_name_version(struct engine *engine, const struct plugin_host *host)
{
	struct warm_restart *restart = engine->restart;

	for (uint32_t i = 0; restart != NULL && i < engine->config.worker_count; i++) {
		if (restart->worker[i].contexts != NULL)
			contexts_name_version(host, restart->worker[i].contexts->header);
	}
}

int session_stage_resume(struct worker *worker, struct session *session)
{
	const struct event event = {
		.type = STELLAR_EVENT_SESSION_RESUMED,
		.direction = session->direction,
		.time_ns = worker->now_ns,
		.packet = session->packet,
	};

	if (session->block == NULL && worker->plugins->interested != 0 &&
	    plugin_block_open(worker, session) != 0)
		return -ENOMEM;
	session->hot->flags &= (uint16_t)~SESSION_RESUMED;
	if (session->block != NULL && session->packet != NULL)
		stream_stage_open(worker, session);
	plugin_deliver(worker, session, &event);
	return 0;
}

void warm_restart_report(struct engine *engine)
{
	struct warm_restart *restart = engine->restart;

	if (restart == NULL)
		return;
	const char *path = restart->is_in_use ? restart->path[restart->chosen] : "";
	struct session_stats stats = {0};

	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		stats.resumed += engine->workers[i]->ledger.sessions.resumed;
		stats.torn += engine->workers[i]->ledger.sessions.torn;
		worker_publish(engine->workers[i]);
	}
	const char *separator = restart->reason[0] != '\0' ? "; " : "";
	uint64_t took_ms = (monotonic_ns() - restart->began_ns) / NS_PER_MS;

	if (!restart->is_in_use)
		snprintf(restart->line, sizeof(restart->line),
			 "sessions will not outlive the engine: %s", restart->reason);
	else if (restart->has_sessions)
		snprintf(restart->line, sizeof(restart->line),
			 "%llu sessions go on from %s, %llu were torn, %llu ms%s%s",
			 (unsigned long long)stats.resumed, path, (unsigned long long)stats.torn,
			 (unsigned long long)took_ms, separator, restart->reason);
	else
		snprintf(restart->line, sizeof(restart->line), "sessions begin in %s%s%s", path,
			 separator, restart->reason);
	if (engine->config.log != NULL)
		engine->config.log(engine->config.log_sink,
				   restart->reason[0] != '\0' ? STELLAR_LOG_WARNING
							      : STELLAR_LOG_INFO,
				   "sessions", restart->line);
}

void warm_restart_close(struct engine *engine)
{
	struct warm_restart *restart = engine->restart;
	// Who did not come to run has not ended its predecessor's sessions either.
	bool is_kept = atomic_load(&engine->hand_over) || !engine->started;

	if (restart != NULL) {
		close_workers(restart);
		for (uint32_t i = 0; i < restart->directory_count; i++) {
			if (!is_kept)
				remove_files(restart->directory[i]);
			close(restart->directory[i]);
			if (!is_kept)
				rmdir(restart->path[i]);
		}
	}
	free(restart);
	engine->restart = NULL;
	for (uint32_t i = 0; i < engine->session_directory_count; i++)
		free(engine->session_directories[i]);
}
