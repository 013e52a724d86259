// SPDX-License-Identifier: Apache-2.0

#include "engine/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/worker.h"

#define MAGIC "STLRMRK1"
#define LOOKS_PER_TIMEOUT 8u // how exactly the time is kept
#define STUCK_MS_MIN 100u

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
#define FATAL_SIGNALS (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

// Signals belong to the process: the one file they are noted in.
static _Atomic(struct fatal_marks *) signal_marks;

// Nothing but stores. The default action, which SA_RESETHAND brought back, follows.
static void note_signal(int number)
{
	struct fatal_marks *marks = atomic_load(&signal_marks);
	int32_t thread = (int32_t)syscall(SYS_gettid);

	if (marks == NULL || atomic_load(&marks->cause) != 0)
		return;
	for (uint32_t i = 0; i < STELLAR_WORKERS_MAX; i++) {
		if (atomic_load(&marks->workers[i].thread) == thread)
			atomic_store(&marks->worker_id, i);
	}
	atomic_store(&marks->cause, (uint32_t)number);
}

static void catch_signals(struct fatal_marks *marks)
{
	struct sigaction action = {
		.sa_handler = note_signal,
		.sa_flags = SA_RESETHAND | SA_ONSTACK,
	};

	atomic_store(&signal_marks, marks);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < FATAL_SIGNALS; i++)
		sigaction(fatal_signals[i], &action, NULL);
}

static void ignore_signals(struct fatal_marks *marks)
{
	struct fatal_marks *expected = marks;

	if (!atomic_compare_exchange_strong(&signal_marks, &expected, NULL))
		return;
	for (size_t i = 0; i < FATAL_SIGNALS; i++)
		signal(fatal_signals[i], SIG_DFL);
}

// Who the predecessor was in when it died. What the file says is checked: it may be anything.
static void read_blame(struct watchdog *watchdog, const struct fatal_marks *marks)
{
	uint32_t worker_id = atomic_load(&marks->worker_id);
	uint32_t cause = atomic_load(&marks->cause);

	if (memcmp(marks->magic, MAGIC, sizeof(marks->magic)) != 0 ||
	    marks->size != sizeof(*marks) || cause == 0 || worker_id >= STELLAR_WORKERS_MAX)
		return;
	uint32_t number = atomic_load(&marks->workers[worker_id].plugin_number);

	if (number == 0 || number > STELLAR_PLUGINS_MAX)
		return;
	const char *name = marks->plugin_names[number - 1];

	memcpy(watchdog->blamed, name, strnlen(name, STELLAR_PLUGIN_NAME_MAX));
	watchdog->cause = cause;
}

static int map_file(int fd, struct fatal_marks **ret_marks)
{
	// Not only its length: without the blocks a full disk would end the process.
	int result = posix_fallocate(fd, 0, sizeof(struct fatal_marks));

	if (result != 0)
		return -result;
	void *memory =
		mmap(NULL, sizeof(struct fatal_marks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_marks = memory;
	return 0;
}

int engine_set_mark_file(struct engine *engine, const char *path, char *error, size_t error_size)
{
	struct watchdog *watchdog = &engine->watchdog;
	int fd = -1;
	int result = -EBUSY;

	if (!engine->start_tried && watchdog->marks == NULL) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
		result = fd >= 0 ? map_file(fd, &watchdog->marks) : -errno;
	}
	if (fd >= 0)
		close(fd);
	if (result != 0) {
		snprintf(error, error_size, "%s: %s", path, strerror(-result));
		return result;
	}
	read_blame(watchdog, watchdog->marks);
	memset(watchdog->marks, 0, sizeof(*watchdog->marks));
	memcpy(watchdog->marks->magic, MAGIC, sizeof(watchdog->marks->magic));
	watchdog->marks->size = sizeof(*watchdog->marks);
	atomic_store(&watchdog->marks->worker_id, WATCHDOG_NOBODY);
	catch_signals(watchdog->marks);
	return 0;
}

const char *engine_get_blamed_plugin(const struct engine *engine, int *ret_stuck)
{
	if (engine->watchdog.blamed[0] == '\0')
		return NULL;
	*ret_stuck = engine->watchdog.cause == FATAL_STUCK;
	return engine->watchdog.blamed;
}

struct plugin_mark *watchdog_get_mark(struct engine *engine, uint32_t worker_id,
				      struct plugin_mark *own)
{
	return engine->watchdog.marks != NULL ? &engine->watchdog.marks->workers[worker_id] : own;
}

void watchdog_take_thread(struct worker *worker)
{
	const stack_t stack = {.ss_sp = worker->signal_stack, .ss_size = WATCHDOG_STACK_SIZE};

	atomic_store(&worker->mark->thread, (int32_t)syscall(SYS_gettid));
	if (worker->engine->watchdog.marks != NULL)
		sigaltstack(&stack, NULL);
}

void watchdog_leave_thread(struct worker *worker)
{
	const stack_t none = {.ss_flags = SS_DISABLE};

	atomic_store(&worker->mark->thread, 0);
	if (worker->engine->watchdog.marks != NULL)
		sigaltstack(&none, NULL);
}

void watchdog_name_plugins(struct engine *engine)
{
	if (engine->watchdog.marks == NULL)
		return;
	for (size_t i = 0; i < engine->plugin_count; i++) {
		const char *name = engine->plugins[i]->plugin->name;

		memcpy(engine->watchdog.marks->plugin_names[i], name,
		       strnlen(name, STELLAR_PLUGIN_NAME_MAX));
	}
}

static void say_stuck(const struct engine *engine, const struct worker *worker, uint32_t ms)
{
	uint32_t number = atomic_load(&worker->mark->plugin_number);
	const char *name = "engine";
	char line[160];

	if (number > 0 && number <= engine->plugin_count)
		name = engine->accounts[number - 1]->name;
	snprintf(line, sizeof(line),
		 "worker %u has not come back from the %s for %u ms: the process ends", worker->id,
		 number > 0 ? "plugin" : "engine itself", ms);
	if (engine->config.log != NULL)
		engine->config.log(engine->config.log_sink, STELLAR_LOG_ERROR, name, line);
}

static void end_process(struct engine *engine, const struct worker *worker, uint32_t ms)
{
	struct fatal_marks *marks = engine->watchdog.marks;

	if (marks != NULL) {
		atomic_store(&marks->worker_id, worker->id);
		atomic_store(&marks->cause, FATAL_STUCK);
	}
	say_stuck(engine, worker, ms);
	_exit(STELLAR_EXIT_STUCK);
}

static void *watch(void *argument)
{
	struct engine *engine = argument;
	struct watchdog *watchdog = &engine->watchdog;
	uint32_t look_ms = watchdog->stuck_ms / LOOKS_PER_TIMEOUT;
	const struct timespec pause = {look_ms / 1000, (long)(look_ms % 1000) * 1000000};
	uint64_t boundaries[STELLAR_WORKERS_MAX] = {0};
	uint32_t looks[STELLAR_WORKERS_MAX] = {0};

	while (!atomic_load(&watchdog->stop)) {
		nanosleep(&pause, NULL);
		// To close all sessions at the end takes what it takes.
		if (atomic_load(&engine->stop))
			continue;
		for (uint32_t i = 0; i < engine->config.worker_count; i++) {
			const struct worker *worker = engine->workers[i];
			uint64_t now =
				atomic_load_explicit(&worker->boundaries, memory_order_relaxed);

			looks[i] = now == boundaries[i] && atomic_load(&worker->running)
					   ? looks[i] + 1
					   : 0;
			boundaries[i] = now;
			if (looks[i] >= LOOKS_PER_TIMEOUT)
				end_process(engine, worker, watchdog->stuck_ms);
		}
	}
	return NULL;
}

int engine_start_watchdog(struct engine *engine, uint32_t stuck_ms)
{
	struct watchdog *watchdog = &engine->watchdog;

	if (!engine->started || watchdog->is_running || stuck_ms < STUCK_MS_MIN)
		return -EINVAL;
	watchdog->stuck_ms = stuck_ms;
	int result = pthread_create(&watchdog->thread, NULL, watch, engine);

	watchdog->is_running = result == 0;
	return -result;
}

void watchdog_close(struct engine *engine)
{
	struct watchdog *watchdog = &engine->watchdog;

	if (watchdog->is_running) {
		atomic_store(&watchdog->stop, true);
		pthread_join(watchdog->thread, NULL);
		watchdog->is_running = false;
	}
	if (watchdog->marks == NULL)
		return;
	ignore_signals(watchdog->marks);
	munmap(watchdog->marks, sizeof(*watchdog->marks));
	watchdog->marks = NULL;
}
