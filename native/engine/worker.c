// SPDX-License-Identifier: Apache-2.0

// A worker: its loop and its border with other threads. The map of a burst is in worker.h.
//
// The border. A worker sleeps in poll() on its devices and on wake_fd when nothing waits; control
// writes wake_fd after it has set `stop`, `command` or a new policy target, all of which the worker
// looks at between two bursts. `running` says who may touch the worker: its own thread while true,
// the control thread while false.

#define _GNU_SOURCE
#include "engine/worker.h"

#include "engine/handoff_stage.h"
#include "engine/plugin_timers.h"
#include "engine/plugin_wave.h"
#include "engine/spread_replay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define IDLE_POLL_MS 10 // timers must run when no packet comes
#define IDLE_SPINS 64 // empty rounds before the worker sleeps
#define BOUNDARY_POLL_US 50

static uint64_t read_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t engine_clock_offset_ns(void)
{
	return read_clock_ns(CLOCK_REALTIME) - read_clock_ns(CLOCK_MONOTONIC);
}

// The live clock: the date at start, and from then on what has passed. When the system's clock is
// set, sessions neither expire nor stay for ever.
uint64_t engine_live_clock_ns(const struct engine *engine)
{
	return read_clock_ns(CLOCK_MONOTONIC) + engine->clock_offset_ns;
}

// engine->reader, also while it is being made.
static bool is_reader(const struct worker *worker)
{
	return worker->id == worker->engine->config.worker_count;
}

static int create_table(struct worker *worker)
{
	const struct engine_config *config = &worker->engine->config;
	const struct session_memory memory = warm_restart_get_memory(worker);
	const struct session_table_config table_config = {
		.capacity = is_reader(worker) ? 1 : config->session_capacity,
		.secret = {{config->hash_seed[0], config->hash_seed[1]}},
		.timeouts = config->timeouts,
		.expired = session_stage_expired,
		.owner = worker,
		.worker_id = (uint16_t)worker->id,
		.now_ms = memory.marks != NULL ? memory.marks->now_ns / NS_PER_MS : 0,
		.memory = memory,
	};
	int result = session_table_create(&table_config, &worker->table);

	if (result == 0 && config->first_session_id != 0)
		worker->table->serial = config->first_session_id - 1;
	worker->ledger.sessions.capacity = is_reader(worker) ? 0 : config->session_capacity;
	return result;
}

static int create_expectations(struct worker *worker)
{
	const struct engine_config *config = &worker->engine->config;
	const struct expectations_config expectations = {
		.limit = config->limits.expectations,
		.parent_limit = config->limits.expectations_session,
		.secret = {{config->hash_seed[0], config->hash_seed[1]}},
	};

	return expectations_init(&worker->expectations, &expectations);
}

// The table, with the sessions of a predecessor if there are any.
static int create_or_resume_table(struct worker *worker)
{
	int result = create_table(worker);

	if (result != 0 || !warm_restart_has_sessions(worker) || warm_restart_resume(worker) == 0)
		return result;
	session_table_destroy(worker->table);
	worker->table = NULL;
	slab_fini(&worker->blocks);
	warm_restart_renew(worker);
	return create_table(worker);
}

// Room for what plugins say. What is not used takes no memory.
static int create_texts(struct worker *worker)
{
	struct output_ring *ring = &worker->output_ring;

	if ((worker->engine->output.types & STELLAR_EVE_PLUGIN) == 0)
		return 0;
	ring->texts = calloc(OUTPUT_RING_SIZE, sizeof(*ring->texts));
	return ring->texts != NULL ? 0 : -ENOMEM;
}

int worker_create(struct engine *engine, uint32_t id, struct worker **ret_worker)
{
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) & ~(size_t)63);

	if (worker == NULL)
		return -ENOMEM;
	memset(worker, 0, sizeof(*worker));
	worker->engine = engine;
	worker->id = id;
	worker->receiver = worker;
	worker->mark = watchdog_get_mark(engine, id, &worker->own_mark);
	worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_init(&worker->border, NULL);
	worker->plugins = atomic_load(&engine->plugin_target);
	atomic_store(&worker->plugins_followed, worker->plugins);
	slab_init(&worker->blocks, engine->block_size);
	int streams = stream_stage_init(worker);

	worker->tx = calloc(engine->interface_count, sizeof(*worker->tx));
	worker->replies = calloc(STELLAR_BURST_MAX, sizeof(*worker->replies));
	if (plugin_wave_init(worker) != 0 || streams != 0 || worker->wake_fd < 0 ||
	    worker->tx == NULL || worker->replies == NULL || merge_init(worker) != 0 ||
	    handoff_stage_init(worker) != 0 || opening_guard_init(worker) != 0 ||
	    create_or_resume_table(worker) != 0 || create_expectations(worker) != 0 ||
	    defragment_stage_create(worker) != 0 || hold_stage_create(worker) != 0 ||
	    create_texts(worker) != 0 || plugin_timers_create(worker) != 0) {
		worker_destroy(worker);
		return -ENOMEM;
	}
	*ret_worker = worker;
	return 0;
}

void worker_destroy(struct worker *worker)
{
	if (worker == NULL)
		return;
	session_table_destroy(worker->table);
	stream_stage_fini(worker);
	plugin_wave_fini(worker);
	observers_end(&worker->observers);
	slab_fini(&worker->blocks);
	expectations_fini(&worker->expectations);
	plugin_timers_destroy(worker);
	opening_guard_fini(&worker->opening);
	free(worker->tx);
	free(worker->replies);
	free(worker->old_context);
	free(worker->merge);
	free(worker->output_ring.texts);
	handoff_destroy(worker->handoff);
	defragment_stage_destroy(worker);
	hold_stage_destroy(worker);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	pthread_mutex_destroy(&worker->border);
	free(worker);
}

void worker_publish(struct worker *worker)
{
	uint32_t sequence = atomic_load_explicit(&worker->sequence, memory_order_relaxed);

	atomic_store_explicit(&worker->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	worker->published = worker->ledger;
	atomic_store_explicit(&worker->sequence, sequence + 2, memory_order_release);
}

void worker_read_ledger(const struct worker *worker, struct ledger *ret_ledger)
{
	for (;;) {
		uint32_t before = atomic_load_explicit(&worker->sequence, memory_order_acquire);

		*ret_ledger = worker->published;
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0 &&
		    before == atomic_load_explicit(&worker->sequence, memory_order_relaxed))
			return;
	}
}

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;

	// A full counter means that it is awake already.
	if (write(worker->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static void wait_a_little(void)
{
	const struct timespec pause = {.tv_nsec = BOUNDARY_POLL_US * 1000};

	nanosleep(&pause, NULL);
}

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / NS_PER_MS;
}

int worker_wait_boundary(struct worker *worker)
{
	uint64_t deadline_ms = monotonic_ms() + worker->engine->boundary_wait_ms;
	uint64_t before = atomic_load(&worker->boundaries);

	while (atomic_load(&worker->running) && atomic_load(&worker->boundaries) == before) {
		if (monotonic_ms() >= deadline_ms)
			return -ETIMEDOUT;
		worker_wake(worker);
		wait_a_little();
	}
	return 0;
}

static bool has_policy(const struct worker *worker, const void *set)
{
	return atomic_load_explicit(&worker->policy_committed, memory_order_acquire) == set;
}

static bool has_plugins(const struct worker *worker, const void *table)
{
	return atomic_load_explicit(&worker->plugins_followed, memory_order_acquire) == table;
}

static int wait_until(struct worker *worker,
		      bool (*has)(const struct worker *worker, const void *target),
		      void (*follow)(struct worker *worker), const void *target)
{
	uint64_t deadline_ms = monotonic_ms() + worker->engine->boundary_wait_ms;

	while (!has(worker, target)) {
		// The worker holds the border while it begins or ends, which may take long.
		if (pthread_mutex_trylock(&worker->border) == 0) {
			if (!atomic_load_explicit(&worker->running, memory_order_relaxed))
				follow(worker);
			pthread_mutex_unlock(&worker->border);
		}
		if (monotonic_ms() >= deadline_ms)
			return -ETIMEDOUT;
		worker_wake(worker);
		wait_a_little();
	}
	return 0;
}

int worker_wait_policy(struct worker *worker, const struct policy_set *set)
{
	return wait_until(worker, has_policy, policy_follow, set);
}

int worker_wait_plugins(struct worker *worker, const struct plugin_table *table)
{
	return wait_until(worker, has_plugins, plugin_follow, table);
}

int worker_call(struct worker *worker, struct worker_command *command)
{
	if (!atomic_load_explicit(&worker->running, memory_order_acquire))
		return -ESHUTDOWN;
	uint64_t deadline_ms = monotonic_ms() + worker->engine->boundary_wait_ms;

	atomic_store_explicit(&worker->command, command, memory_order_release);
	worker_wake(worker);
	while (!atomic_load_explicit(&command->done, memory_order_acquire)) {
		bool runs = atomic_load_explicit(&worker->running, memory_order_acquire);

		// What the worker has taken already must be waited for: it is in our hands.
		if ((!runs || monotonic_ms() >= deadline_ms) &&
		    atomic_exchange(&worker->command, NULL) == command)
			return runs ? -ETIMEDOUT : -ESHUTDOWN;
		wait_a_little();
	}
	return 0;
}

// Between two bursts: what other threads wait for.
void worker_boundary(struct worker *worker)
{
	struct worker_command *command =
		atomic_exchange_explicit(&worker->command, NULL, memory_order_acquire);

	policy_follow(worker);
	// Replay does it between rounds, so that it does not depend on who is faster.
	if (worker->engine->replay == NULL)
		plugin_follow(worker);
	atomic_fetch_add_explicit(&worker->boundaries, 1, memory_order_release);
	if (command != NULL) {
		command->run(worker, command->argument);
		atomic_store_explicit(&command->done, true, memory_order_release);
	}
}

static void raise_stats(struct worker *worker)
{
	// One line for all: the figures are those of the engine.
	if (worker->id != 0)
		return;
	if (worker->start_ns == 0) {
		worker->start_ns = worker->now_ns;
		worker->next_stats_ns = worker->now_ns + STATS_PERIOD_NS;
	}
	if (worker->now_ns < worker->next_stats_ns)
		return;
	worker->next_stats_ns = worker->now_ns + STATS_PERIOD_NS;
	// What is queued is sent first, so that the figures balance and no burst shows in them.
	stage_send(worker);
	record_stats(worker);
}

void worker_judge(struct worker *worker, size_t position)
{
	session_stage(worker, position);
	plugin_stage(worker, &worker->packets[position]);
	session_table_end_change(worker->table);
}

static void process_fragment(struct worker *worker, size_t position)
{
	struct packet *packet = &worker->packets[position];

	plugin_wave_end_before(worker);
	if (defragment_stage(worker, position)) {
		if (packet->is_reassembled && worker->handoff != NULL &&
		    handoff_stage_give_datagram(worker, packet))
			return;
		worker_judge(worker, position);
	}
	stage_egress(worker, packet);
}

static void process_packet(struct worker *worker, size_t position, uint64_t clock_ns)
{
	struct packet *packet = &worker->packets[position];
	uint64_t time_ns = clock_ns != 0 ? clock_ns : packet->frame.time_ns;

	plugin_wave_advance(worker, time_ns);
	defragment_stage_advance(worker, time_ns);
	raise_stats(worker);
	stage_receive(worker, packet);
	if (packet->is_fragment) {
		process_fragment(worker, position);
		return;
	}
	session_stage(worker, position);
	if (plugin_wave_join(worker, packet))
		return;
	plugin_stage(worker, packet);
	session_table_end_change(worker->table);
	stage_egress(worker, packet);
}

static size_t decode_burst(struct worker *worker, uint16_t ingress_id, size_t count)
{
	for (size_t i = 0; i < count; i++)
		stage_decode(worker, &worker->packets[i], &worker->frames[i], ingress_id);
	return count;
}

void worker_process_burst(struct worker *worker, uint16_t ingress_id, size_t count,
			  uint64_t clock_ns)
{
	recorder_burst(worker, ingress_id, count, clock_ns);
	size_t here = worker->handoff == NULL
			      ? decode_burst(worker, ingress_id, count)
			      : handoff_stage_decode(worker, ingress_id, count, clock_ns);

	session_stage_prepare(worker, here);
	plugin_wave_prepare(worker);
	for (size_t i = 0; i < here; i++) {
		session_table_look_ahead(worker->table, worker->hashes, here, i, worker->hints);
		process_packet(worker, i, clock_ns);
	}
	plugin_wave_end_before(worker);
	stage_send(worker);
	packet_io_device_release(worker->engine->interfaces[ingress_id].device, worker->frames,
				 count);
	worker_publish(worker);
}

bool worker_receives_from(const struct worker *worker, const struct interface *interface)
{
	return (worker->engine->replay != NULL ? is_reader(worker)
					       : interface->worker_id == worker->id) &&
	       !interface->ended &&
	       (interface->role == INTERFACE_WIRE || interface->role == INTERFACE_TAP);
}

// One burst of each of the worker's interfaces. Returns the packets, -EBADMSG for a cut capture, or
// -ENETDOWN for an interface that is gone.
static int poll_interfaces(struct worker *worker, bool *ret_all_ended)
{
	struct engine *engine = worker->engine;
	int total = 0;

	*ret_all_ended = true;
	for (uint16_t id = 0; id < engine->interface_count; id++) {
		struct interface *interface = &engine->interfaces[id];

		if (!worker_receives_from(worker, interface))
			continue;
		int count = packet_io_device_rx(interface->device, worker->frames,
						engine->config.burst_size);

		if (count == -ENODATA || count == -EBADMSG || count == -ENETDOWN) {
			interface->ended = true;
			atomic_fetch_sub_explicit(&engine->receiving_count, 1,
						  memory_order_release);
			if (count != -ENODATA)
				return count;
			continue;
		}
		*ret_all_ended = false;
		if (count <= 0)
			continue;
		worker_process_burst(worker, id, (size_t)count,
				     engine->is_live ? engine_live_clock_ns(engine) : 0);
		total += count;
		worker_boundary(worker);
	}
	return total;
}

// The same for several captures.
static int poll_merged(struct worker *worker, bool *ret_all_ended)
{
	uint16_t ingress_id = NO_INTERFACE;
	int count = merge_receive(worker, &ingress_id, ret_all_ended);

	if (count > 0)
		worker_process_burst(worker, ingress_id, (size_t)count, 0);
	return count;
}

void worker_pass_time(struct worker *worker, uint64_t clock_ns, bool is_idle)
{
	recorder_clock(worker, clock_ns, is_idle);
	defragment_stage_advance(worker, clock_ns);
	if (!is_idle)
		return;
	raise_stats(worker);
	worker_publish(worker);
}

void worker_idle(struct worker *worker)
{
	struct engine *engine = worker->engine;
	struct pollfd fds[STELLAR_INTERFACES_MAX + 1] = {{.fd = worker->wake_fd, .events = POLLIN}};
	nfds_t count = 1;
	uint64_t drained;

	for (uint16_t id = 0; id < engine->interface_count; id++) {
		int fd = packet_io_device_fd(engine->interfaces[id].device);

		// What nobody receives from stays readable: to wait for it would be a busy loop.
		if (fd >= 0 && worker_receives_from(worker, &engine->interfaces[id]))
			fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	if (worker->handoff != NULL && !handoff_stage_sleep(worker))
		return;
	poll(fds, count, session_table_prepare(worker->table) ? 0 : IDLE_POLL_MS);
	if (worker->handoff != NULL)
		handoff_stage_wake_up(worker);
	while (read(worker->wake_fd, &drained, sizeof(drained)) > 0)
		;
	if (engine->is_live)
		worker_pass_time(worker, engine_live_clock_ns(engine), true);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	// A cpu that is not there leaves the thread where it was: slower, not wrong.
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void set_running(struct worker *worker, bool running)
{
	pthread_mutex_lock(&worker->border);
	// What came before the change is answered by who owned the worker until now.
	worker_boundary(worker);
	if (running)
		watchdog_take_thread(worker);
	else
		watchdog_leave_thread(worker);
	atomic_store_explicit(&worker->running, running, memory_order_release);
	pthread_mutex_unlock(&worker->border);
}

// One round of the loop. Returns the packets, or -errno as poll_interfaces.
static int turn(struct worker *worker, bool *ret_all_ended)
{
	int count = worker->merge != NULL ? poll_merged(worker, ret_all_ended)
					  : poll_interfaces(worker, ret_all_ended);

	if (worker->handoff == NULL || count < 0)
		return count;
	count += handoff_stage_turn(worker, engine_live_clock_ns(worker->engine));
	*ret_all_ended = *ret_all_ended && !handoff_stage_may_come(worker);
	raise_stats(worker);
	return count;
}

int engine_worker_run(struct engine *engine, uint32_t worker_id, int cpu)
{
	struct worker *worker = engine_get_worker(engine, worker_id);
	int result = 0;
	int spins = 0;

	if (worker == NULL)
		return -EINVAL;
	if (worker->handoff != NULL && handoff_has_ended(worker->handoff))
		return -EBUSY;
	if (cpu >= 0)
		pin(cpu);
	if (engine->is_live)
		worker_pass_time(worker, engine_live_clock_ns(engine), false);
	set_running(worker, true);
	if (engine->replay != NULL) {
		result = spread_replay_run(worker);
		set_running(worker, false);
		return result;
	}
	while (!atomic_load_explicit(&engine->stop, memory_order_relaxed)) {
		bool all_ended;
		int count = turn(worker, &all_ended);

		if (count < 0)
			result = count;
		// A wire with one end is none: whoever runs the worker must begin anew.
		if (count == -ENETDOWN || (count >= 0 && all_ended))
			break;
		worker_boundary(worker);
		spins = count > 0 ? 0 : spins + 1;
		if (spins > IDLE_SPINS)
			worker_idle(worker);
	}
	if (worker->handoff != NULL)
		handoff_stage_finish(worker);
	worker_finish(worker);
	set_running(worker, false);
	return result;
}

uint32_t engine_get_running_workers(const struct engine *engine)
{
	uint32_t count = 0;

	for (uint32_t i = 0; engine->workers != NULL && i < engine->config.worker_count; i++)
		count += atomic_load_explicit(&engine->workers[i]->running, memory_order_acquire);
	return count;
}

void engine_stop(struct engine *engine)
{
	atomic_store(&engine->stop, true);
	for (uint32_t i = 0; engine->workers != NULL && i < engine->config.worker_count; i++)
		worker_wake(engine->workers[i]);
}

struct worker *engine_get_worker(struct engine *engine, uint32_t worker_id)
{
	return engine->started && worker_id < engine->config.worker_count
		       ? engine->workers[worker_id]
		       : NULL;
}
