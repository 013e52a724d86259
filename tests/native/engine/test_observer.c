// SPDX-License-Identifier: Apache-2.0

// Rings that the engine fills and nobody needs to read: what is told, what is lost, and that a ring
// whose other end lies is no danger.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/observer.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/worker.h"
#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)

// The observer's end, mapped.
static struct observer_ring *map_ring(int fd, uint32_t capacity)
{
	size_t size = sizeof(struct observer_ring) + capacity * sizeof(struct observer_record);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	close(fd);
	return memory;
}

static void unmap_ring(struct observer_ring *ring, uint32_t capacity)
{
	munmap(ring, sizeof(*ring) + capacity * sizeof(struct observer_record));
}

static const struct observer_record *records_of(const struct observer_ring *ring)
{
	return (const struct observer_record *)(ring + 1);
}

static void test_observer_hears_what_happens_without_any_plugin(void **state)
{
	struct harness harness;
	int fd;

	harness_open(&harness, NULL);
	harness_start(&harness);
	int id = engine_add_observer(harness.engine, OPENING | DATA | CLOSING, 8, &fd);

	assert_int_equal(id, 0);
	struct observer_ring *ring = map_ring(fd, 8);

	harness_send_datagram(&harness, 1000, 53, "question", false);
	harness_send_datagram(&harness, 1000, 53, "answer", true);
	worker_finish(harness.worker);

	const struct observer_record *record = records_of(ring);

	assert_int_equal(ring->head, 4);
	assert_int_equal(record[0].event, STELLAR_EVENT_SESSION_OPENING);
	assert_int_equal(record[1].event, STELLAR_EVENT_UDP_DATA);
	assert_memory_equal(record[1].data, "question", 8);
	assert_int_equal(record[1].data_length, 8);
	assert_int_equal(record[2].direction, STELLAR_REVERSE);
	assert_int_equal(record[3].event, STELLAR_EVENT_SESSION_CLOSING);
	assert_int_equal(record[3].reason, STELLAR_CLOSED_SHUTDOWN);
	assert_int_equal(record[3].packets[STELLAR_FORWARD], 1);
	assert_int_equal(record[3].packets[STELLAR_REVERSE], 1);
	assert_int_equal(record[3].responder_port, 53);
	assert_int_equal(record[0].session_id, record[3].session_id);
	harness_close(&harness);
	assert_int_equal(ring->ended, 1);
	unmap_ring(ring, 8);
}

static void test_full_ring_loses_and_counts_live(void **state)
{
	struct harness harness;
	int fd;

	harness_open(&harness, NULL);
	harness_start(&harness);
	harness.engine->is_live = true;
	engine_add_observer(harness.engine, OPENING, 4, &fd);
	struct observer_ring *ring = map_ring(fd, 4);

	for (uint16_t port = 1; port <= 6; port++)
		harness_send_datagram(&harness, port, 53, "x", false);
	assert_int_equal(ring->head, 4);
	assert_int_equal(ring->lost, 2);
	assert_int_equal(engine_get_observer_lost(harness.engine), 2);
	ring->tail = 1;
	harness_send_datagram(&harness, 7, 53, "x", false);

	assert_int_equal(ring->head, 5);
	assert_int_equal(records_of(ring)[0].originator_port, 7);
	harness_close(&harness);
	unmap_ring(ring, 4);
}

static void test_observer_that_lies_loses_and_nothing_else(void **state)
{
	static const uint64_t lies[] = {UINT64_MAX - 100, 100, UINT64_C(1) << 63, 5};
	struct harness harness;
	int fd;

	harness_open(&harness, NULL);
	harness_start(&harness);
	harness.engine->is_live = true;
	engine_add_observer(harness.engine, OPENING, 4, &fd);
	struct observer_ring *ring = map_ring(fd, 4);

	for (uint16_t i = 0; i < 4; i++) {
		ring->tail = lies[i];
		ring->capacity = 1u << 30;
		ring->head = UINT64_MAX;
		harness_send_datagram(&harness, i + 1, 53, "x", false);
	}

	assert_int_equal(ring->lost, 4);
	assert_int_equal(engine_remove_observer(harness.engine, 0), 0);
	harness_close(&harness);
	unmap_ring(ring, 4);
}

static void test_wrong_requests_are_refused(void **state)
{
	struct harness harness;
	int fds[STELLAR_OBSERVERS_MAX + 1];

	harness_open(&harness, NULL);
	assert_int_equal(engine_add_observer(harness.engine, OPENING, 4, fds), -EBUSY);
	harness_start(&harness);

	assert_int_equal(engine_add_observer(harness.engine, 0, 4, fds), -EINVAL);
	assert_int_equal(engine_add_observer(harness.engine, OPENING, 3, fds), -EINVAL);
	assert_int_equal(engine_add_observer(harness.engine, OPENING, 0, fds), -EINVAL);
	assert_int_equal(engine_add_observer(harness.engine, UINT64_C(1) << 60, 4, fds), -EINVAL);
	assert_int_equal(
		engine_add_observer(harness.engine, STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER), 4, fds),
		-EINVAL);
	assert_int_equal(engine_remove_observer(harness.engine, 0), -ENOENT);
	for (int i = 0; i < STELLAR_OBSERVERS_MAX; i++)
		assert_int_equal(engine_add_observer(harness.engine, OPENING, 4, &fds[i]), i);
	assert_int_equal(engine_add_observer(harness.engine, OPENING, 4, fds + 8), -ENOSPC);
	assert_int_equal(engine_remove_observer(harness.engine, 3), 0);
	close(fds[3]);
	assert_int_equal(engine_add_observer(harness.engine, PACKET, 4, &fds[3]), 3);
	for (int i = 0; i < STELLAR_OBSERVERS_MAX; i++)
		close(fds[i]);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_observer_hears_what_happens_without_any_plugin),
		cmocka_unit_test(test_full_ring_loses_and_counts_live),
		cmocka_unit_test(test_observer_that_lies_loses_and_nothing_else),
		cmocka_unit_test(test_wrong_requests_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
