// SPDX-License-Identifier: Apache-2.0

// The recorder's thread and its files; see recorder.h.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/recorder.h"
#include "engine/worker.h"

#define POLL_MS 100 // for what becomes too old; a worker that takes a segment wakes the thread
#define SEGMENTS_MIN 4u // in hand, ahead, and one to look at
#define STAGE "/dev/shm"
#define COPY_SIZE (1u << 20)

// What the thread knows of a worker's files.
struct shelf {
	uint64_t next_sequence; // to be made
	uint64_t oldest_sequence; // not yet dropped
	uint64_t end_sequence; // after the last full one
	uint64_t *end_times_ns; // of the full ones, by sequence modulo segments_max
};

struct recorder {
	struct engine *engine;
	char *path;
	bool has_stage; // else segments are made where they stay
	uint64_t run;
	uint64_t segment_size;
	uint32_t segments_max; // of a worker
	uint64_t age_max_ns; // 0: any
	pthread_t thread;
	bool thread_started;
	int wake_fd;
	_Atomic bool stop;
	_Atomic(const char *) reason; // static; NULL: it goes on
	struct shelf shelves[STELLAR_WORKERS_MAX];
	struct recording_writer *writers;
};

uint64_t recorder_segment_size(const struct recorder *recorder)
{
	return recorder->segment_size;
}

struct recording_writer *recorder_get_writer(struct recorder *recorder, uint32_t worker_id)
{
	return &recorder->writers[worker_id];
}

void recorder_give_up(struct recorder *recorder, const char *reason)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&recorder->reason, &none, reason);
}

void recorder_wake(struct recorder *recorder)
{
	const uint64_t one = 1;

	// A full counter means that it is awake already.
	if (write(recorder->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static bool queue_put(struct recorder_queue *queue, const struct recorder_segment *segment)
{
	uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&queue->tail, memory_order_acquire) >= 2 * RECORDER_AHEAD)
		return false;
	queue->segments[head % (2 * RECORDER_AHEAD)] = *segment;
	atomic_store_explicit(&queue->head, head + 1, memory_order_release);
	return true;
}

static bool queue_take(struct recorder_queue *queue, struct recorder_segment *ret_segment)
{
	uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&queue->head, memory_order_acquire))
		return false;
	*ret_segment = queue->segments[tail % (2 * RECORDER_AHEAD)];
	atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
	return true;
}

static uint64_t queue_length(const struct recorder_queue *queue)
{
	return atomic_load(&queue->head) - atomic_load(&queue->tail);
}

bool recorder_next_segment(struct recording_writer *writer)
{
	struct recorder_segment full = writer->segment;

	writer->segment.bytes = NULL;
	// Not before the thread has put the full ones away: a slow disk.
	if (full.bytes != NULL && !queue_put(&writer->full, &full)) {
		writer->segment = full;
		recorder_give_up(writer->recorder, "the disk is slower than the traffic");
		writer->segment.bytes = NULL;
		return false;
	}
	if (!queue_take(&writer->ready, &writer->segment)) {
		recorder_give_up(writer->recorder, "the disk is slower than the traffic");
		writer->segment.bytes = NULL;
	}
	recorder_wake(writer->recorder);
	return writer->segment.bytes != NULL;
}

void recorder_fill_header(struct worker *worker, struct recording_segment_header *header)
{
	struct recording_writer *writer = worker->recorder;
	const struct recorder *recorder = writer->recorder;

	*header = (struct recording_segment_header){
		.magic = RECORDING_MAGIC,
		.format = RECORDING_FORMAT,
		.abi_version = STELLAR_ABI_VERSION,
		.header_size = sizeof(*header),
		.run = recorder->run,
		.segment_size = recorder->segment_size,
		.sequence = writer->segment.sequence,
		.worker_id = worker->id,
		.worker_count = worker->engine->config.worker_count,
		.now_ns = worker->now_ns,
		.start_ns = worker->start_ns,
		.next_stats_ns = worker->next_stats_ns,
		.session_serial = worker->table->serial,
		.burst_count = atomic_load(&writer->bursts),
		.packet_count = atomic_load(&writer->packets),
		.disabled = worker->disabled,
		.failed_closed = worker->failed_closed,
		.policy_generation = worker->policy != NULL ? worker->policy->generation : 0,
		.resumed = (uint32_t)worker->ledger.sessions.resumed,
	};
	memcpy(header->plugin_versions, writer->plugin_versions, sizeof(header->plugin_versions));
	header->checksum = recording_header_checksum(header);
}

static void home_path(const struct recorder *recorder, const char *name, char *ret_path)
{
	snprintf(ret_path, RECORDER_PATH_MAX, "%s/%s", recorder->path, name);
}

static void stage_path(const struct recorder *recorder, const char *name, char *ret_path)
{
	snprintf(ret_path, RECORDER_PATH_MAX, STAGE "/stellar-recording-%016" PRIx64 "-%s",
		 recorder->run, name);
}

// A file with all its blocks, mapped and touched: nobody who stores into it waits or faults.
static uint8_t *make_file(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return NULL;
	int result = posix_fallocate(fd, 0, (off_t)size);
	void *bytes = result == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
				  : MAP_FAILED;

	close(fd);
	if (bytes == MAP_FAILED) {
		unlink(path);
		return NULL;
	}
	for (uint64_t offset = 0; offset < size; offset += 4096)
		((volatile uint8_t *)bytes)[offset] = 0;
	return bytes;
}

static bool make_segment(struct recorder *recorder, uint32_t worker_id)
{
	struct shelf *shelf = &recorder->shelves[worker_id];
	struct recorder_segment segment = {.sequence = shelf->next_sequence};
	char name[RECORDING_NAME_MAX];
	char path[RECORDER_PATH_MAX];
	char stage[RECORDER_PATH_MAX];

	recording_segment_name(name, worker_id, segment.sequence);
	home_path(recorder, name, path);
	if (recorder->has_stage) {
		stage_path(recorder, name, stage);
		segment.bytes = make_file(stage, recorder->segment_size);
		if (segment.bytes != NULL && symlink(stage, path) != 0) {
			munmap(segment.bytes, recorder->segment_size);
			segment.bytes = NULL;
			unlink(stage);
		}
	} else {
		segment.bytes = make_file(path, recorder->segment_size);
	}
	if (segment.bytes == NULL) {
		recorder_give_up(recorder, "no room for a segment");
		return false;
	}
	shelf->next_sequence++;
	queue_put(&recorder->writers[worker_id].ready, &segment);
	return true;
}

static void drop_segment(struct recorder *recorder, uint32_t worker_id, uint64_t sequence)
{
	char name[RECORDING_NAME_MAX];
	char path[RECORDER_PATH_MAX];

	recording_segment_name(name, worker_id, sequence);
	home_path(recorder, name, path);
	unlink(path);
	if (!recorder->has_stage)
		return;
	stage_path(recorder, name, path);
	unlink(path);
}

static int write_all(int fd, const uint8_t *bytes, uint64_t size)
{
	while (size > 0) {
		ssize_t count = write(fd, bytes, size < COPY_SIZE ? size : COPY_SIZE);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return -EIO;
		bytes += count;
		size -= (uint64_t)count;
	}
	return 0;
}

// Write a file beside its place, then put it there: whole, or not at all.
static int put_file(const struct recorder *recorder, const char *name, const uint8_t *bytes,
		    uint64_t size)
{
	char path[RECORDER_PATH_MAX];
	char fresh[RECORDER_PATH_MAX + 4];

	home_path(recorder, name, path);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int result = write_all(fd, bytes, size);

	close(fd);
	if (result == 0 && rename(fresh, path) != 0)
		result = -errno;
	if (result != 0)
		unlink(fresh);
	return result;
}

// A segment that the worker has left: give back what it did not use, and bring it home.
static void put_away(struct recorder *recorder, uint32_t worker_id,
		     const struct recorder_segment *segment)
{
	char name[RECORDING_NAME_MAX];
	char path[RECORDER_PATH_MAX];

	recording_segment_name(name, worker_id, segment->sequence);
	if (recorder->has_stage) {
		// When there is no room at home it stays where it is, and is found there.
		if (put_file(recorder, name, segment->bytes, segment->used) != 0) {
			recorder_give_up(recorder, "the directory has no room");
		} else {
			stage_path(recorder, name, path);
			unlink(path);
		}
		munmap(segment->bytes, recorder->segment_size);
		return;
	}
	munmap(segment->bytes, recorder->segment_size);
	home_path(recorder, name, path);
	// Kept at its full size otherwise: its end is found all the same.
	if (truncate(path, (off_t)segment->used) != 0)
		return;
}

static void drop_old(struct recorder *recorder, uint32_t worker_id)
{
	struct shelf *shelf = &recorder->shelves[worker_id];
	uint64_t now_ns = atomic_load(&recorder->writers[worker_id].time_ns);

	while (shelf->oldest_sequence < shelf->end_sequence) {
		uint64_t end_ns =
			shelf->end_times_ns[shelf->oldest_sequence % recorder->segments_max];
		bool is_old = recorder->age_max_ns != 0 && end_ns + recorder->age_max_ns < now_ns;

		if (!is_old && shelf->next_sequence - shelf->oldest_sequence <=
				       (uint64_t)recorder->segments_max)
			return;
		drop_segment(recorder, worker_id, shelf->oldest_sequence++);
	}
}

static void look_after(struct recorder *recorder, uint32_t worker_id)
{
	struct recording_writer *writer = &recorder->writers[worker_id];
	struct shelf *shelf = &recorder->shelves[worker_id];
	struct recorder_segment full;

	while (queue_take(&writer->full, &full)) {
		put_away(recorder, worker_id, &full);
		shelf->end_times_ns[full.sequence % recorder->segments_max] = full.end_ns;
		shelf->end_sequence = full.sequence + 1;
	}
	drop_old(recorder, worker_id);
	while (atomic_load(&recorder->reason) == NULL &&
	       queue_length(&writer->ready) < RECORDER_AHEAD) {
		if (!make_segment(recorder, worker_id))
			break;
		drop_old(recorder, worker_id);
	}
}

static void *keep_segments(void *argument)
{
	struct recorder *recorder = argument;
	struct pollfd wait = {.fd = recorder->wake_fd, .events = POLLIN};
	uint64_t drained;

	while (!atomic_load(&recorder->stop)) {
		poll(&wait, 1, POLL_MS);
		while (read(recorder->wake_fd, &drained, sizeof(drained)) > 0)
			;
		for (uint32_t id = 0; id < recorder->engine->config.worker_count; id++)
			look_after(recorder, id);
	}
	return NULL;
}

static bool is_memory(const char *path)
{
	struct statfs system;

	return statfs(path, &system) == 0 && system.f_type == 0x01021994; // TMPFS_MAGIC
}

static void choose_sizes(struct recorder *recorder, uint64_t size)
{
	uint64_t share = size / recorder->engine->config.worker_count;

	recorder->segment_size = share / 16 / 4096 * 4096;
	if (recorder->segment_size < RECORDING_SEGMENT_MIN)
		recorder->segment_size = RECORDING_SEGMENT_MIN;
	if (recorder->segment_size > RECORDING_SEGMENT_MAX)
		recorder->segment_size = RECORDING_SEGMENT_MAX;
	recorder->segments_max = (uint32_t)(share / recorder->segment_size);
	if (recorder->segments_max < SEGMENTS_MIN)
		recorder->segments_max = SEGMENTS_MIN;
}

static int begin(struct recorder *recorder)
{
	for (uint32_t id = 0; id < recorder->engine->config.worker_count; id++) {
		struct worker *worker = recorder->engine->workers[id];
		struct recording_writer *writer = &recorder->writers[id];
		struct shelf *shelf = &recorder->shelves[id];

		writer->recorder = recorder;
		shelf->end_times_ns = calloc(recorder->segments_max, sizeof(uint64_t));
		if (shelf->end_times_ns == NULL)
			return -ENOMEM;
		look_after(recorder, id);
		if (!queue_take(&writer->ready, &writer->segment))
			return -ENOSPC;
		worker->recorder = writer;
		recorder_fill_header(worker, (void *)writer->segment.bytes);
		writer->segment.used = sizeof(struct recording_segment_header);
	}
	int result = pthread_create(&recorder->thread, NULL, keep_segments, recorder);

	recorder->thread_started = result == 0;
	return -result;
}

int recorder_open(struct engine *engine, char *error, size_t error_size)
{
	const struct recording_request *request = &engine->recording;

	if (request->path == NULL)
		return 0;
	struct recorder *recorder = calloc(1, sizeof(*recorder));

	if (recorder == NULL) {
		snprintf(error, error_size, "recording: no memory");
		return -ENOMEM;
	}
	engine->recorder = recorder;
	recorder->engine = engine;
	recorder->path = request->path;
	recorder->age_max_ns = (uint64_t)request->seconds * 1000000000u;
	choose_sizes(recorder, request->size);
	recorder->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	recorder->writers = aligned_alloc(64, engine->config.worker_count *
						      ((sizeof(*recorder->writers) + 63) & ~63ul));
	if (recorder->wake_fd < 0 || recorder->writers == NULL ||
	    getrandom(&recorder->run, sizeof(recorder->run), 0) != sizeof(recorder->run)) {
		snprintf(error, error_size, "recording: no memory");
		return -ENOMEM;
	}
	memset(recorder->writers, 0, engine->config.worker_count * sizeof(*recorder->writers));
	recorder->has_stage = !is_memory(recorder->path) && is_memory(STAGE);
	int result = begin(recorder);

	if (result != 0)
		snprintf(error, error_size,
			 "recording: %s: no room for segments of %" PRIu64 " bytes", recorder->path,
			 recorder->segment_size);
	return result;
}

static void close_writer(struct recorder *recorder, uint32_t worker_id)
{
	struct recording_writer *writer = &recorder->writers[worker_id];
	struct recorder_segment segment;

	while (queue_take(&writer->full, &segment))
		put_away(recorder, worker_id, &segment);
	if (writer->segment.bytes != NULL)
		put_away(recorder, worker_id, &writer->segment);
	while (queue_take(&writer->ready, &segment)) {
		munmap(segment.bytes, recorder->segment_size);
		drop_segment(recorder, worker_id, segment.sequence);
	}
	free(recorder->shelves[worker_id].end_times_ns);
	recorder->engine->workers[worker_id]->recorder = NULL;
}

void recorder_close(struct engine *engine)
{
	struct recorder *recorder = engine->recorder;

	if (recorder != NULL && recorder->thread_started) {
		atomic_store(&recorder->stop, true);
		recorder_wake(recorder);
		pthread_join(recorder->thread, NULL);
	}
	for (uint32_t id = 0;
	     recorder != NULL && recorder->writers != NULL && id < engine->config.worker_count;
	     id++)
		close_writer(recorder, id);
	if (recorder != NULL) {
		if (recorder->wake_fd >= 0)
			close(recorder->wake_fd);
		free(recorder->writers);
		free(recorder);
	}
	engine->recorder = NULL;
	free(engine->recording.path);
	engine->recording.path = NULL;
}

void recorder_keep_policy(struct engine *engine, uint32_t generation, const void *image,
			  size_t size)
{
	struct recorder *recorder = engine->recorder;
	char name[RECORDING_NAME_MAX];

	if (recorder == NULL || atomic_load(&recorder->reason) != NULL)
		return;
	snprintf(name, sizeof(name), "policy-%u.bin", generation);
	if (put_file(recorder, name, image, size) != 0)
		recorder_give_up(recorder, "no room for a policy");
}

int engine_set_recording(struct engine *engine, const char *path, uint64_t size, uint32_t seconds,
			 char *error, size_t error_size)
{
	struct stat status;

	if (engine->started || engine->recording.path != NULL) {
		snprintf(error, error_size, "recording: %s",
			 engine->started ? "the engine has started" : "is asked for already");
		return -EBUSY;
	}
	if (engine->config.worker_count != 1) {
		snprintf(error, error_size,
			 "recording: expected one worker, found %u: what they hand to each other "
			 "is not recorded in this version",
			 engine->config.worker_count);
		return -ENOTSUP;
	}
	if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode) ||
	    strlen(path) > RECORDER_PATH_MAX - RECORDING_NAME_MAX) {
		snprintf(error, error_size, "recording: %s: expected a directory", path);
		return -EINVAL;
	}
	engine->recording.path = strdup(path);
	if (engine->recording.path == NULL) {
		snprintf(error, error_size, "recording: no memory");
		return -ENOMEM;
	}
	engine->recording.size = size;
	engine->recording.seconds = seconds;
	return 0;
}

void engine_get_recording(const struct engine *engine, struct recording_stats *ret_stats)
{
	const struct recorder *recorder = engine->recorder;

	*ret_stats = (struct recording_stats){.reason = ""};
	if (recorder == NULL)
		return;
	const char *reason = atomic_load(&recorder->reason);

	ret_stats->is_asked = 1;
	ret_stats->is_on = reason == NULL;
	ret_stats->reason = reason != NULL ? reason : "";
	for (uint32_t id = 0; id < engine->config.worker_count; id++) {
		const struct recording_writer *writer = &recorder->writers[id];

		ret_stats->bursts += atomic_load(&writer->bursts);
		ret_stats->packets += atomic_load(&writer->packets);
		ret_stats->bytes += atomic_load(&writer->bytes);
		ret_stats->lost += atomic_load(&writer->lost);
	}
}
