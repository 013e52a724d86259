// SPDX-License-Identifier: Apache-2.0

// The event rings and their writer; see output.h. The worker side never blocks.

#include "engine/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/eve.h"
#include "engine/worker.h"

#define OUTPUT_TEXT_SIZE (256u * 1024u)
#define OUTPUT_POLL_MS 20

static int open_path(const char *path)
{
	if (strcmp(path, "-") == 0)
		return dup(STDOUT_FILENO);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

int output_open(struct output *output, struct engine *engine, const char *path, uint32_t types)
{
	int fd = open_path(path);

	if (fd < 0)
		return -errno;
	output->path = strdup(path);
	output->text = malloc(OUTPUT_TEXT_SIZE);
	if (output->path == NULL || output->text == NULL) {
		free(output->path);
		free(output->text);
		output->path = NULL;
		output->text = NULL;
		close(fd);
		return -ENOMEM;
	}
	output->engine = engine;
	output->fd = fd;
	output->types = types;
	return 0;
}

// End a line that was cut, so that the next one starts clean. Until there is room for that nothing
// else is written.
static void end_cut_line(struct output *output)
{
	if (output->is_cut && write(output->fd, "\n", 1) == 1)
		output->is_cut = false;
}

// A line is whole or lost: after a short write the rest of the batch is counted as lost, and so is
// the line that was cut.
static void write_text(struct output *output)
{
	size_t done = 0;

	end_cut_line(output);
	while (done < output->text_length && !output->is_cut) {
		ssize_t count = write(output->fd, output->text + done, output->text_length - done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		done += (size_t)count;
	}
	uint64_t whole = output->text_lines;

	if (done < output->text_length) {
		whole = 0;
		for (size_t i = 0; i < done; i++)
			whole += output->text[i] == '\n';
		output->is_cut |= done > 0 && output->text[done - 1] != '\n';
		end_cut_line(output);
	}
	atomic_fetch_add_explicit(&output->written, whole, memory_order_relaxed);
	atomic_fetch_add_explicit(&output->lost, output->text_lines - whole, memory_order_relaxed);
	output->text_length = 0;
	output->text_lines = 0;
}

void output_flush(struct output *output)
{
	if (output->text_length > 0)
		write_text(output);
}

struct output_record *output_ring_reserve(struct output_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	if (head - tail >= OUTPUT_RING_SIZE) {
		atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
		return NULL;
	}
	return &ring->records[head % OUTPUT_RING_SIZE];
}

char *output_ring_text(struct output_ring *ring)
{
	return ring
		->texts[atomic_load_explicit(&ring->head, memory_order_relaxed) % OUTPUT_RING_SIZE];
}

void output_ring_push(struct output_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

bool output_ring_is_full(const struct output_ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_relaxed) -
		       atomic_load_explicit(&ring->tail, memory_order_acquire) >=
	       OUTPUT_RING_SIZE;
}

const struct output_record *output_ring_peek(const struct output_ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	return tail != atomic_load_explicit(&ring->head, memory_order_acquire)
		       ? &ring->records[tail % OUTPUT_RING_SIZE]
		       : NULL;
}

static void format_record(struct output *output, const struct output_record *record)
{
	char *text = output->text + output->text_length;
	uint64_t lines = 0;
	size_t length = eve_format(output->engine, record, text,
				   OUTPUT_TEXT_SIZE - output->text_length, &lines);

	if (output->watch != NULL) {
		size_t whole = output->watch(output->watch_owner, text, length);

		for (size_t i = whole; i < length; i++)
			lines -= text[i] == '\n';
		length = whole;
	}
	output->text_length += length;
	output->text_lines += lines;
}

void output_drain_one(struct output *output, struct output_ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (OUTPUT_TEXT_SIZE - output->text_length < EVE_LINE_MAX)
		write_text(output);
	if (!output->has_ended)
		format_record(output, &ring->records[tail % OUTPUT_RING_SIZE]);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

void output_drain(struct output *output, struct output_ring *ring)
{
	while (output_ring_peek(ring) != NULL)
		output_drain_one(output, ring);
}

static void drain_all(struct output *output)
{
	for (uint32_t i = 0; i < output->engine->config.worker_count; i++)
		output_drain(output, &output->engine->workers[i]->output_ring);
	if (output->engine->reader != NULL)
		output_drain(output, &output->engine->reader->output_ring);
	output_flush(output);
}

static void reopen(struct output *output)
{
	int fd = open_path(output->path);

	// When the new file can't be opened the old one goes on: better a late rotation than loss.
	if (fd < 0)
		return;
	close(output->fd);
	output->fd = fd;
	output->is_cut = false;
}

static void *write_events(void *argument)
{
	struct output *output = argument;

	while (!atomic_load(&output->stop)) {
		if (atomic_exchange(&output->reopen, false))
			reopen(output);
		drain_all(output);
		poll(NULL, 0, OUTPUT_POLL_MS);
	}
	drain_all(output);
	return NULL;
}

int output_start(struct output *output, bool is_synchronous)
{
	output->is_synchronous = is_synchronous;
	if (output->path == NULL || is_synchronous)
		return 0;
	int result = pthread_create(&output->thread, NULL, write_events, output);

	if (result != 0)
		return -result;
	output->thread_started = true;
	return 0;
}

void output_close(struct output *output)
{
	if (output->thread_started) {
		atomic_store(&output->stop, true);
		pthread_join(output->thread, NULL);
		output->thread_started = false;
	}
	if (output->path == NULL)
		return;
	// In replay nobody else drains what came after the last full ring.
	if (output->engine->started)
		drain_all(output);
	close(output->fd);
	free(output->path);
	free(output->text);
	output->path = NULL;
	output->text = NULL;
}
