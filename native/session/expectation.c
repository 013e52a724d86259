// SPDX-License-Identifier: Apache-2.0

#include "session/expectation.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum chain {
	CHAIN_CLAIM,
	CHAIN_PARENT,
	CHAIN_COUNT,
};

struct expectation {
	struct timer_link timer;
	uint64_t deadline_ms;
	uint64_t age;
	uint32_t hashes[CHAIN_COUNT];
	// Ids. The first's `previous` is the last of the chain, the last's `next` is 0: a chain has
	// an end to append to without a place for it.
	uint32_t next[CHAIN_COUNT];
	uint32_t previous[CHAIN_COUNT];
	uint32_t parent;
	uint8_t known; // EXPECTATION_HAS_*
	// Originator low, responder high, whatever their order; 0 for what is not known.
	struct session_key key;
};

static struct expectation *record_of(const struct expectations *expectations, uint32_t id)
{
	return slab_record(&expectations->records, id);
}

static struct timer_link *timer_link_of(void *owner, uint32_t id)
{
	return &record_of(owner, id)->timer;
}

static uint64_t get_deadline(void *owner, uint32_t id, uint64_t now_ms)
{
	(void)now_ms;
	return record_of(owner, id)->deadline_ms;
}

static void fire(void *owner, uint32_t id, uint64_t due_ms)
{
	(void)due_ms;
	expectations_expire(owner, id);
}

static const struct timer_wheel_ops timer_ops = {
	.link = timer_link_of,
	.deadline = get_deadline,
	.fire = fire,
};

static uint32_t cut(uint64_t limit)
{
	return limit < EXPECTATION_LIMIT_MAX ? (uint32_t)limit : EXPECTATION_LIMIT_MAX;
}

int expectations_init(struct expectations *expectations, const struct expectations_config *config)
{
	memset(expectations, 0, sizeof(*expectations));
	expectations->limit = cut(config->limit);
	expectations->parent_limit = cut(config->parent_limit);
	expectations->secret = config->secret;
	slab_init(&expectations->records, sizeof(struct expectation));
	timer_wheel_init(&expectations->wheel, &timer_ops, expectations, config->now_ms, 0);
	uint32_t heads = 64;
	while (heads < expectations->limit)
		heads *= 2;
	expectations->mask = heads - 1;
	expectations->by_claim = calloc(heads, sizeof(*expectations->by_claim));
	expectations->by_parent = calloc(heads, sizeof(*expectations->by_parent));
	if (expectations->by_claim == NULL || expectations->by_parent == NULL) {
		expectations_fini(expectations);
		return -ENOMEM;
	}
	return 0;
}

void expectations_fini(struct expectations *expectations)
{
	slab_fini(&expectations->records);
	free(expectations->by_claim);
	free(expectations->by_parent);
	expectations->by_claim = NULL;
	expectations->by_parent = NULL;
	expectations->count = 0;
}

static uint32_t *head_of(const struct expectations *expectations, enum chain chain, uint32_t hash)
{
	uint32_t *heads = chain == CHAIN_CLAIM ? expectations->by_claim : expectations->by_parent;
	return &heads[hash & expectations->mask];
}

// Behind those that are not newer.
static void chain_append(struct expectations *expectations, enum chain chain, uint32_t id)
{
	struct expectation *record = record_of(expectations, id);
	uint32_t *head = head_of(expectations, chain, record->hashes[chain]);
	uint32_t next = 0;
	if (*head == 0) {
		record->next[chain] = 0;
		record->previous[chain] = id;
		*head = id;
		return;
	}
	struct expectation *first = record_of(expectations, *head);
	uint32_t previous = first->previous[chain];
	while (record_of(expectations, previous)->age > record->age && next != *head) {
		next = previous;
		previous = record_of(expectations, next)->previous[chain];
	}
	record->next[chain] = next;
	record->previous[chain] = previous;
	if (next == *head)
		*head = id;
	else
		record_of(expectations, previous)->next[chain] = id;
	if (next == 0)
		first->previous[chain] = id;
	else
		record_of(expectations, next)->previous[chain] = id;
}

static void chain_remove(struct expectations *expectations, enum chain chain, uint32_t id)
{
	struct expectation *record = record_of(expectations, id);
	uint32_t *head = head_of(expectations, chain, record->hashes[chain]);
	uint32_t next = record->next[chain];
	if (*head == id)
		*head = next;
	else
		record_of(expectations, record->previous[chain])->next[chain] = next;
	// The last one is known to the first.
	if (next != 0)
		record_of(expectations, next)->previous[chain] = record->previous[chain];
	else if (*head != 0)
		record_of(expectations, *head)->previous[chain] = record->previous[chain];
}

static uint8_t known_of(const struct expectation_claim *claim)
{
	return (uint8_t)((claim->originator.port != 0 ? EXPECTATION_HAS_ORIGINATOR_PORT : 0) |
			 (claim->originator.address.version != 0 ? EXPECTATION_HAS_ORIGINATOR : 0) |
			 (claim->responder.port != 0 ? EXPECTATION_HAS_RESPONDER_PORT : 0));
}

static void make_key(const struct expectation_claim *claim, uint8_t known,
		     struct session_key *ret_key)
{
	size_t size = claim->responder.address.version == 4 ? 4 : 16;
	uint8_t *addresses = (uint8_t *)ret_key->address;
	memset(ret_key, 0, sizeof(*ret_key));
	ret_key->tag = claim->tag;
	ret_key->tenant = claim->tenant;
	ret_key->protocol = claim->protocol;
	ret_key->version = claim->responder.address.version;
	if ((known & EXPECTATION_HAS_ORIGINATOR_PORT) != 0)
		ret_key->port_low = claim->originator.port;
	if ((known & EXPECTATION_HAS_RESPONDER_PORT) != 0)
		ret_key->port_high = claim->responder.port;
	if ((known & EXPECTATION_HAS_ORIGINATOR) != 0)
		memcpy(addresses, claim->originator.address.bytes, size);
	memcpy(addresses + size, claim->responder.address.bytes, size);
}

// Port 0 and address 0 may be known as well as not: the class says which.
static uint32_t hash_claim(const struct expectations *expectations, const struct session_key *key,
			   uint8_t known)
{
	return (uint32_t)session_key_hash(&expectations->secret, key) + known;
}

// Indices are the table's: nobody outside chooses them.
static uint32_t hash_parent(uint32_t parent)
{
	return parent * 2654435769u >> 7;
}

static bool is_claim(const struct expectation *record, const struct session_key *key, uint8_t known)
{
	return record->known == known && session_key_is_equal(&record->key, key);
}

static bool is_valid(const struct expectation_claim *claim, uint32_t timeout_ms)
{
	uint8_t version = claim->responder.address.version;
	uint8_t other = claim->originator.address.version;
	return (version == 4 || version == 6) && (other == 0 || other == version) &&
	       (claim->protocol == IPPROTO_TCP || claim->protocol == IPPROTO_UDP) &&
	       timeout_ms >= 1 && timeout_ms <= EXPECTATION_TIMEOUT_MAX_MS;
}

static void start_timer(struct expectations *expectations, uint32_t id, uint64_t deadline_ms)
{
	record_of(expectations, id)->deadline_ms = deadline_ms;
	timer_wheel_insert(&expectations->wheel, id);
}

// The same claim of the same parent, or 0, and how many it has.
static uint32_t find_own(const struct expectations *expectations, uint32_t parent,
			 const struct session_key *key, uint8_t known, uint32_t *ret_count)
{
	uint32_t id = *head_of(expectations, CHAIN_PARENT, hash_parent(parent));
	*ret_count = 0;
	while (id != 0) {
		const struct expectation *record = record_of(expectations, id);
		if (record->parent == parent) {
			if (is_claim(record, key, known))
				return id;
			++*ret_count;
		}
		id = record->next[CHAIN_PARENT];
	}
	return 0;
}

int expectations_add(struct expectations *expectations, uint32_t parent,
		     const struct expectation_claim *claim, uint32_t timeout_ms, uint64_t now_ms)
{
	if (!is_valid(claim, timeout_ms))
		return -EINVAL;
	struct session_key key;
	uint32_t own_count;
	uint8_t known = known_of(claim);
	make_key(claim, known, &key);
	// An empty wheel stands still.
	expectations_advance(expectations, now_ms);
	uint32_t id = find_own(expectations, parent, &key, known, &own_count);
	if (id != 0) {
		timer_wheel_remove(&expectations->wheel, id);
		start_timer(expectations, id, now_ms + timeout_ms);
		return 0;
	}
	if (expectations->count >= expectations->limit || own_count >= expectations->parent_limit)
		return -ENOSPC;
	id = slab_get(&expectations->records);
	if (id == 0)
		return -ENOMEM;
	struct expectation *record = record_of(expectations, id);
	record->parent = parent;
	record->age = expectations->age;
	record->known = known;
	record->key = key;
	record->hashes[CHAIN_CLAIM] = hash_claim(expectations, &key, known);
	record->hashes[CHAIN_PARENT] = hash_parent(parent);
	chain_append(expectations, CHAIN_CLAIM, id);
	chain_append(expectations, CHAIN_PARENT, id);
	start_timer(expectations, id, now_ms + timeout_ms);
	expectations->class_counts[known]++;
	expectations->count++;
	return 1;
}

static uint32_t find_class(const struct expectations *expectations,
			   const struct expectation_claim *session, uint8_t known)
{
	struct session_key key;
	make_key(session, known, &key);
	uint32_t id = *head_of(expectations, CHAIN_CLAIM, hash_claim(expectations, &key, known));
	while (id != 0 && !is_claim(record_of(expectations, id), &key, known))
		id = record_of(expectations, id)->next[CHAIN_CLAIM];
	return id;
}

uint32_t expectations_find(const struct expectations *expectations,
			   const struct expectation_claim *session)
{
	// By how much is known, then as the header says.
	static const uint8_t order[EXPECTATION_CLASSES] = {7, 6, 5, 3, 4, 2, 1, 0};
	for (uint32_t i = 0; i < EXPECTATION_CLASSES; i++) {
		uint32_t id = expectations->class_counts[order[i]] == 0
				      ? 0
				      : find_class(expectations, session, order[i]);
		if (id != 0)
			return id;
	}
	return 0;
}

uint32_t expectations_get_parent(const struct expectations *expectations, uint32_t id)
{
	return record_of(expectations, id)->parent;
}

void expectations_remove(struct expectations *expectations, uint32_t id)
{
	timer_wheel_remove(&expectations->wheel, id);
	chain_remove(expectations, CHAIN_CLAIM, id);
	chain_remove(expectations, CHAIN_PARENT, id);
	expectations->class_counts[record_of(expectations, id)->known]--;
	expectations->count--;
	slab_put(&expectations->records, id);
}

void expectations_expire(struct expectations *expectations, uint32_t id)
{
	expectations->expired++;
	expectations_remove(expectations, id);
}

void expectations_forget(struct expectations *expectations, uint32_t parent)
{
	uint32_t id = *head_of(expectations, CHAIN_PARENT, hash_parent(parent));
	while (id != 0) {
		const struct expectation *record = record_of(expectations, id);
		uint32_t next = record->next[CHAIN_PARENT];
		if (record->parent == parent)
			expectations_expire(expectations, id);
		id = next;
	}
}

void expectations_advance(struct expectations *expectations, uint64_t now_ms)
{
	timer_wheel_advance(&expectations->wheel, now_ms);
}
