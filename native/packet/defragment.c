// SPDX-License-Identifier: Apache-2.0

// The datagrams that wait: found by a keyed hash, in one list by age, and in one list a source. See
// the header for what happens to them and fragment_pieces.c for what their pieces do.

#define _GNU_SOURCE
#include "packet/defragment.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <stellar/engine.h>

#define JOIN_MAX (2u * 65536u) // bytes before the datagram, and the longest datagram
#define HOLD_BYTES 512u // of memory for each place in the index of datagrams
#define IP_LENGTH_MAX 65535u
#define BUCKETS_MIN 16u
#define BUCKETS_MAX (1u << 20)
#define ECN_DISAGREES(seen) (((seen) & 1u) != 0 && ((seen) & ~1u) != 0)

// Blocks go by ids of the pool; 0: none.
struct link {
	uint32_t older;
	uint32_t newer;
};

struct source {
	uint64_t bytes; // of blocks
	uint32_t next; // in its bucket
	uint32_t oldest; // of its datagrams
	uint32_t newest;
	uint8_t address[16];
	uint8_t version;
};

struct datagram {
	struct fragment_key key;
	uint64_t deadline_ns;
	uint32_t id; // of its own block
	uint32_t next; // in its bucket
	uint32_t bucket;
	struct link by_age;
	struct link by_source;
	uint32_t source;
	uint32_t block_bytes;
	uint32_t first_frame;
	uint32_t last_frame;
	uint32_t frame_count; // of the wire
	uint32_t part_count; // views too
	uint32_t length; // up to the piece that ends last
	struct fragment_pieces pieces;
	uint8_t profile;
	uint8_t ecn_seen; // bit set
	bool has_last;
};

struct defragmenter {
	struct defragment_config config;
	struct fragment_pool pool;
	uint8_t *range;
	uint8_t *join;
	uint32_t join_size;
	uint32_t bucket_mask;
	uint32_t *buckets; // ids of datagrams
	uint32_t *source_buckets;
	uint32_t oldest;
	uint32_t newest;
	uint64_t count;
	uint64_t random;
};

static struct datagram *datagram_at(const struct defragmenter *defragmenter, uint32_t id)
{
	return fragment_pool_at(&defragmenter->pool, id);
}

static struct source *source_at(const struct defragmenter *defragmenter, uint32_t id)
{
	return fragment_pool_at(&defragmenter->pool, id);
}

static struct fragment_frame *frame_at(const struct defragmenter *defragmenter, uint32_t id)
{
	return fragment_pool_at(&defragmenter->pool, id);
}

static uint64_t rotate(uint64_t value, uint32_t bits)
{
	return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t *v)
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

// SipHash-1-3 (Aumasson, Bernstein 2012) of whole words.
static uint64_t hash_bytes(const uint64_t *secret, const void *bytes, size_t size)
{
	uint64_t v[4] = {
		secret[0] ^ 0x736f6d6570736575u,
		secret[1] ^ 0x646f72616e646f6du,
		secret[0] ^ 0x6c7967656e657261u,
		secret[1] ^ 0x7465646279746573u,
	};
	for (size_t at = 0; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, (const uint8_t *)bytes + at, sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static_assert(sizeof(struct fragment_key) % sizeof(uint64_t) == 0, "hashed in words");

int defragment_create(const struct defragment_config *config,
		      struct defragmenter **ret_defragmenter)
{
	struct defragmenter *defragmenter = calloc(1, sizeof(*defragmenter));
	uint64_t buckets = BUCKETS_MIN;

	if (defragmenter == NULL)
		return -ENOMEM;
	void *range = config->memory_bytes < SIZE_MAX / 2
			      ? mmap(NULL, config->memory_bytes, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
			      : MAP_FAILED;

	if (range == MAP_FAILED) {
		free(defragmenter);
		return -ENOMEM;
	}
	while (buckets < BUCKETS_MAX && buckets * 2 * HOLD_BYTES <= config->memory_bytes)
		buckets *= 2;
	defragmenter->config = *config;
	defragmenter->range = range;
	defragmenter->bucket_mask = (uint32_t)buckets - 1;
	defragmenter->random = config->secret[0] ^ rotate(config->secret[1], 32);
	if (defragmenter->random == 0)
		defragmenter->random = 1;
	uint64_t index_bytes = buckets * 2 * sizeof(uint32_t);
	uint64_t left = config->memory_bytes > index_bytes ? config->memory_bytes - index_bytes : 0;

	// Too little for anything: every fragment is refused.
	if (left > 0) {
		defragmenter->buckets = range;
		defragmenter->source_buckets = defragmenter->buckets + buckets;
		defragmenter->join = (uint8_t *)range + index_bytes;
		defragmenter->join_size =
			left / 4 < JOIN_MAX ? (uint32_t)(left / 4 / 64 * 64) : JOIN_MAX;
		fragment_pool_init(&defragmenter->pool,
				   defragmenter->join + defragmenter->join_size,
				   left - defragmenter->join_size);
	}
	*ret_defragmenter = defragmenter;
	return 0;
}

void defragment_destroy(struct defragmenter *defragmenter)
{
	if (defragmenter == NULL)
		return;
	munmap(defragmenter->range, defragmenter->config.memory_bytes);
	free(defragmenter);
}

static uint32_t hash_key(const struct defragmenter *defragmenter, const struct fragment_key *key)
{
	return (uint32_t)hash_bytes(defragmenter->config.secret, key, sizeof(*key)) &
	       defragmenter->bucket_mask;
}

static uint32_t hash_source(const struct defragmenter *defragmenter, const struct fragment_key *key)
{
	return (uint32_t)hash_bytes(defragmenter->config.secret, key->source, sizeof(key->source)) &
	       defragmenter->bucket_mask;
}

// Put a datagram at the new end of a list, or take it out. by_source: which of its links.
static struct link *link_of(const struct defragmenter *defragmenter, uint32_t id, bool by_source)
{
	struct datagram *datagram = datagram_at(defragmenter, id);

	return by_source ? &datagram->by_source : &datagram->by_age;
}

static void list_add(const struct defragmenter *defragmenter, uint32_t id, bool by_source,
		     uint32_t *oldest, uint32_t *newest)
{
	*link_of(defragmenter, id, by_source) = (struct link){.older = *newest};
	if (*newest != 0)
		link_of(defragmenter, *newest, by_source)->newer = id;
	else
		*oldest = id;
	*newest = id;
}

static void list_remove(const struct defragmenter *defragmenter, uint32_t id, bool by_source,
			uint32_t *oldest, uint32_t *newest)
{
	const struct link link = *link_of(defragmenter, id, by_source);

	if (link.older != 0)
		link_of(defragmenter, link.older, by_source)->newer = link.newer;
	else
		*oldest = link.newer;
	if (link.newer != 0)
		link_of(defragmenter, link.newer, by_source)->older = link.older;
	else
		*newest = link.older;
}

static void leave_source(struct defragmenter *defragmenter, struct datagram *datagram)
{
	struct source *source = source_at(defragmenter, datagram->source);

	source->bytes -= datagram->block_bytes;
	list_remove(defragmenter, datagram->id, true, &source->oldest, &source->newest);
	if (source->oldest != 0)
		return;
	uint32_t *place = &defragmenter->source_buckets[hash_source(defragmenter, &datagram->key)];

	while (*place != datagram->source)
		place = &source_at(defragmenter, *place)->next;
	*place = source->next;
	fragment_pool_put(&defragmenter->pool, datagram->source);
}

// Nobody finds it any more; its blocks stay.
static void take_out(struct defragmenter *defragmenter, struct datagram *datagram)
{
	uint32_t *place = &defragmenter->buckets[datagram->bucket];

	while (*place != datagram->id)
		place = &datagram_at(defragmenter, *place)->next;
	*place = datagram->next;
	list_remove(defragmenter, datagram->id, false, &defragmenter->oldest,
		    &defragmenter->newest);
	leave_source(defragmenter, datagram);
	defragmenter->count--;
}

void defragment_release(struct defragmenter *defragmenter, struct datagram *datagram)
{
	uint32_t next;

	fragment_pieces_clear(&datagram->pieces, &defragmenter->pool);
	for (uint32_t id = datagram->first_frame; id != 0; id = next) {
		next = frame_at(defragmenter, id)->next;
		fragment_pool_put(&defragmenter->pool, id);
	}
	fragment_pool_put(&defragmenter->pool, datagram->id);
}

static void give_up(struct defragmenter *defragmenter, uint32_t id, enum defragment_cause cause)
{
	struct datagram *datagram = datagram_at(defragmenter, id);

	take_out(defragmenter, datagram);
	defragmenter->config.given_up(defragmenter->config.owner, datagram, cause);
	defragment_release(defragmenter, datagram);
}

// Make room: the oldest datagram goes. Returns false when that would be the one in hand, or when
// there is none.
static bool evict(struct defragmenter *defragmenter, uint32_t oldest, uint32_t in_hand)
{
	if (oldest == 0 || oldest == in_hand)
		return false;
	give_up(defragmenter, oldest, DEFRAGMENT_LIMIT);
	return true;
}

static uint32_t get_block(struct defragmenter *defragmenter, size_t bytes, uint32_t in_hand)
{
	uint32_t size = fragment_pool_round(bytes);
	uint32_t id;

	// What would not fit into an empty pool is worth nobody's datagram.
	if (size == 0 || size / FRAGMENT_POOL_UNIT > defragmenter->pool.units)
		return 0;
	do {
		id = fragment_pool_get(&defragmenter->pool, bytes);
	} while (id == 0 && evict(defragmenter, defragmenter->oldest, in_hand));
	return id;
}

static struct datagram *find(const struct defragmenter *defragmenter,
			     const struct fragment_key *key, uint32_t bucket)
{
	for (uint32_t id = defragmenter->buckets[bucket]; id != 0;) {
		struct datagram *datagram = datagram_at(defragmenter, id);

		if (memcmp(&datagram->key, key, sizeof(*key)) == 0)
			return datagram;
		id = datagram->next;
	}
	return NULL;
}

static uint32_t find_source(const struct defragmenter *defragmenter, const struct fragment_key *key)
{
	uint32_t id = defragmenter->source_buckets[hash_source(defragmenter, key)];

	while (id != 0) {
		const struct source *source = source_at(defragmenter, id);

		if (source->version == key->version &&
		    memcmp(source->address, key->source, sizeof(source->address)) == 0)
			break;
		id = source->next;
	}
	return id;
}

static void open_source(struct defragmenter *defragmenter, uint32_t id,
			const struct fragment_key *key)
{
	uint32_t *bucket = &defragmenter->source_buckets[hash_source(defragmenter, key)];
	struct source *source = source_at(defragmenter, id);

	memset(source, 0, sizeof(*source));
	source->version = key->version;
	memcpy(source->address, key->source, sizeof(source->address));
	source->next = *bucket;
	*bucket = id;
}

static uint8_t ask_profile(const struct defragmenter *defragmenter, const struct fragment_key *key)
{
	struct ip_address receiver = {.version = key->version};

	if (defragmenter->config.profile == NULL)
		return STELLAR_TARGET_LINUX;
	memcpy(receiver.bytes, key->destination, sizeof(receiver.bytes));
	return defragmenter->config.profile(defragmenter->config.owner, &receiver);
}

// Begin a datagram. Returns NULL when there is no room.
static struct datagram *open_datagram(struct defragmenter *defragmenter,
				      const struct fragment_key *key, uint32_t bucket,
				      uint64_t now_ns)
{
	uint32_t id = get_block(defragmenter, sizeof(struct datagram), 0);
	// The block of a source that is not there yet, or is given up for the datagram's.
	uint32_t spare = id != 0 ? get_block(defragmenter, sizeof(struct source), 0) : 0;

	if (spare == 0) {
		if (id != 0)
			fragment_pool_put(&defragmenter->pool, id);
		return NULL;
	}
	struct datagram *datagram = datagram_at(defragmenter, id);
	uint32_t source = find_source(defragmenter, key);

	if (source == 0) {
		source = spare;
		open_source(defragmenter, source, key);
	} else {
		fragment_pool_put(&defragmenter->pool, spare);
	}
	memset(datagram, 0, sizeof(*datagram));
	datagram->key = *key;
	datagram->id = id;
	datagram->deadline_ns = now_ns + defragmenter->config.timeout_ns;
	datagram->profile = ask_profile(defragmenter, key);
	datagram->bucket = bucket;
	datagram->next = defragmenter->buckets[bucket];
	defragmenter->buckets[bucket] = id;
	datagram->source = source;
	datagram->block_bytes = fragment_pool_round(sizeof(*datagram));
	source_at(defragmenter, source)->bytes += datagram->block_bytes;
	list_add(defragmenter, id, false, &defragmenter->oldest, &defragmenter->newest);
	list_add(defragmenter, id, true, &source_at(defragmenter, source)->oldest,
		 &source_at(defragmenter, source)->newest);
	defragmenter->count++;
	return datagram;
}

static void charge(struct defragmenter *defragmenter, struct datagram *datagram, uint32_t bytes)
{
	datagram->block_bytes += bytes;
	source_at(defragmenter, datagram->source)->bytes += bytes;
}

static void append_frame(struct defragmenter *defragmenter, struct datagram *datagram, uint32_t id)
{
	if (datagram->last_frame != 0)
		frame_at(defragmenter, datagram->last_frame)->next = id;
	else
		datagram->first_frame = id;
	datagram->last_frame = id;
	datagram->part_count++;
	charge(defragmenter, datagram, fragment_pool_size(&defragmenter->pool, id));
}

// Copy the packet's frame behind a record of it. Returns its id, 0 when there is no room.
static uint32_t copy_frame(struct defragmenter *defragmenter, const struct packet *packet,
			   const struct fragment *fragment, bool is_view, uint32_t in_hand)
{
	size_t head = sizeof(struct fragment_frame) + (is_view ? sizeof(struct packet) : 0);
	uint32_t id = get_block(defragmenter, head + packet->frame.length, in_hand);

	if (id == 0)
		return 0;
	struct fragment_frame *frame = frame_at(defragmenter, id);

	*frame = (struct fragment_frame){
		.data = (uint8_t *)frame + head,
		.length = packet->frame.length,
		.wire_length = packet->frame.wire_length,
		.time_ns = packet->frame.time_ns,
		.link_type = packet->frame.link_type,
		.ingress_id = packet->ingress_id,
		.ttl = packet->ttl,
		.is_view = is_view,
		.fragment = *fragment,
	};
	if (is_view) {
		frame->packet = (const struct packet *)(frame + 1);
		memcpy(frame + 1, packet, sizeof(*packet));
	}
	memcpy(frame->data, packet->frame.data, packet->frame.length);
	return id;
}

// The frames of a datagram put together become those of the one inside of it.
static void adopt_frames(struct defragmenter *defragmenter, struct datagram *datagram,
			 struct datagram *carrier)
{
	uint32_t next;

	for (uint32_t id = carrier->first_frame; id != 0; id = next) {
		next = frame_at(defragmenter, id)->next;
		frame_at(defragmenter, id)->next = 0;
		append_frame(defragmenter, datagram, id);
	}
	datagram->frame_count += carrier->frame_count;
	carrier->first_frame = 0;
	defragment_release(defragmenter, carrier);
}

// See the header. Returns false when the datagram is to be given up.
static bool settle_length(struct datagram *datagram, const struct fragment *fragment,
			  uint32_t length)
{
	uint32_t end = fragment->begin + length;

	if (fragment->is_last) {
		if (end < datagram->length || (datagram->has_last && end != datagram->length))
			return false;
		datagram->has_last = true;
	} else if (end > datagram->length && datagram->has_last) {
		return false;
	}
	if (end > datagram->length)
		datagram->length = end;
	return length > 0;
}

static enum fragment_added add_piece(struct defragmenter *defragmenter, struct datagram *datagram,
				     const struct fragment_frame *frame, uint32_t length)
{
	const struct fragment_policy policy = {
		.pool = &defragmenter->pool,
		.random = &defragmenter->random,
		.piece_limit = defragmenter->config.piece_limit,
		.profile = datagram->profile,
		.is_ipv6 = datagram->key.version == 6,
	};
	const struct fragment_bytes bytes = {
		.data = frame->data + frame->fragment.at,
		.mark = (uint32_t)(((const uint8_t *)frame - defragmenter->pool.bytes) /
				   FRAGMENT_POOL_UNIT) +
			1,
	};
	uint32_t count = datagram->pieces.count;
	enum fragment_added added;

	do {
		added = fragment_pieces_add(&datagram->pieces, &policy, frame->fragment.begin,
					    bytes, length);
	} while (added == FRAGMENT_NO_ROOM &&
		 evict(defragmenter, defragmenter->oldest, datagram->id));
	// What a win removes is not given back to the source: a bound, not a balance.
	if (datagram->pieces.count > count)
		charge(defragmenter, datagram,
		       (datagram->pieces.count - count) *
			       fragment_pool_round(sizeof(struct fragment_piece)));
	return added;
}

static enum defragment_answer end_datagram(struct defragmenter *defragmenter,
					   struct datagram *datagram, enum defragment_cause cause,
					   struct defragment_result *ret_result)
{
	take_out(defragmenter, datagram);
	ret_result->datagram = datagram;
	ret_result->cause = cause;
	return DEFRAGMENT_GIVEN_UP;
}

// Keep a source within its share. Returns false when the datagram in hand is the next to go.
static bool trim_source(struct defragmenter *defragmenter, const struct datagram *datagram)
{
	const struct source *source = source_at(defragmenter, datagram->source);

	while (source->bytes > defragmenter->config.source_bytes) {
		if (!evict(defragmenter, source->oldest, datagram->id))
			return false;
	}
	return true;
}

// A piece of a datagram whose frames are in it already.
static enum defragment_answer settle(struct defragmenter *defragmenter, struct datagram *datagram,
				     const struct fragment_frame *frame, uint32_t length,
				     struct defragment_result *ret_result)
{
	if (!settle_length(datagram, &frame->fragment, length))
		return end_datagram(defragmenter, datagram, DEFRAGMENT_MALFORMED, ret_result);
	enum fragment_added added = add_piece(defragmenter, datagram, frame, length);

	ret_result->has_overlap = added == FRAGMENT_FORBIDDEN || added == FRAGMENT_RESOLVED;
	if (added == FRAGMENT_FORBIDDEN)
		return end_datagram(defragmenter, datagram, DEFRAGMENT_OVERLAP, ret_result);
	if (added == FRAGMENT_TOO_MANY || added == FRAGMENT_NO_ROOM ||
	    datagram->part_count > defragmenter->config.piece_limit)
		return end_datagram(defragmenter, datagram, DEFRAGMENT_LIMIT, ret_result);
	if (added != FRAGMENT_DUPLICATE)
		datagram->ecn_seen |= (uint8_t)(1u << frame->fragment.ecn);
	if (added == FRAGMENT_DUPLICATE || !datagram->has_last ||
	    datagram->pieces.received != datagram->length) {
		if (!trim_source(defragmenter, datagram))
			return end_datagram(defragmenter, datagram, DEFRAGMENT_LIMIT, ret_result);
		ret_result->datagram = datagram;
		return DEFRAGMENT_KEPT;
	}
	if (datagram->profile == STELLAR_TARGET_LINUX && ECN_DISAGREES(datagram->ecn_seen))
		return end_datagram(defragmenter, datagram, DEFRAGMENT_MALFORMED, ret_result);
	take_out(defragmenter, datagram);
	ret_result->datagram = datagram;
	return DEFRAGMENT_WHOLE;
}

// How much of a piece that is not the last but no multiple of 8 counts; false: nothing. Nothing of
// one of IPv6 that goes too far, either: it is answered and forgotten (RFC 8200 4.5).
static bool align_length(const struct defragmenter *defragmenter, const struct fragment *fragment,
			 const struct datagram *datagram, uint32_t *length)
{
	uint8_t profile =
		datagram != NULL ? datagram->profile : ask_profile(defragmenter, &fragment->key);

	if (fragment->key.version == 6 && fragment->begin + *length > IP_LENGTH_MAX)
		return false;
	if (fragment->is_last || *length % 8 == 0)
		return true;
	*length -= *length % 8;
	return fragment->key.version == 4 && profile == STELLAR_TARGET_LINUX;
}

enum defragment_answer defragment_add(struct defragmenter *defragmenter,
				      const struct packet *packet, const struct fragment *fragment,
				      struct datagram *carrier, uint64_t now_ns,
				      struct defragment_result *ret_result)
{
	uint32_t length = fragment->length;

	memset(ret_result, 0, sizeof(*ret_result));
	if (defragmenter->pool.units == 0)
		return DEFRAGMENT_REFUSED;
	uint32_t bucket = hash_key(defragmenter, &fragment->key);
	struct datagram *datagram = find(defragmenter, &fragment->key, bucket);

	if (!align_length(defragmenter, fragment, datagram, &length))
		return DEFRAGMENT_IGNORED;
	if (datagram == NULL)
		datagram = open_datagram(defragmenter, &fragment->key, bucket, now_ns);
	if (datagram == NULL)
		return DEFRAGMENT_REFUSED;
	uint32_t id = copy_frame(defragmenter, packet, fragment, carrier != NULL, datagram->id);

	if (id == 0) {
		// It is the oldest by now: its turn is over.
		give_up(defragmenter, datagram->id, DEFRAGMENT_LIMIT);
		return DEFRAGMENT_REFUSED;
	}
	append_frame(defragmenter, datagram, id);
	if (carrier != NULL)
		adopt_frames(defragmenter, datagram, carrier);
	else
		datagram->frame_count++;
	return settle(defragmenter, datagram, frame_at(defragmenter, id), length, ret_result);
}

bool defragment_join(struct defragmenter *defragmenter, const struct datagram *datagram,
		     struct defragment_whole *ret_whole)
{
	uint32_t first = fragment_pieces_first(&datagram->pieces, &defragmenter->pool);
	const struct fragment_frame *frame = frame_at(defragmenter, first);
	uint32_t header_end = frame->fragment.header_end;
	uint32_t length = header_end + datagram->pieces.received;

	if (header_end > defragmenter->join_size ||
	    datagram->pieces.received > defragmenter->join_size - header_end)
		return false;
	memcpy(defragmenter->join, frame->data, header_end);
	if (!fragment_patch_header(&frame->fragment, defragmenter->join, datagram->pieces.received))
		return false;
	fragment_pieces_copy(&datagram->pieces, &defragmenter->pool,
			     defragmenter->join + header_end);
	*ret_whole = (struct defragment_whole){defragmenter->join, length, frame};
	return true;
}

uint64_t defragment_next_deadline(const struct defragmenter *defragmenter)
{
	return defragmenter->oldest != 0
		       ? datagram_at(defragmenter, defragmenter->oldest)->deadline_ns
		       : UINT64_MAX;
}

void defragment_expire(struct defragmenter *defragmenter)
{
	if (defragmenter->oldest != 0)
		give_up(defragmenter, defragmenter->oldest, DEFRAGMENT_TIMEOUT);
}

void defragment_give_up_all(struct defragmenter *defragmenter)
{
	while (defragmenter->oldest != 0)
		give_up(defragmenter, defragmenter->oldest, DEFRAGMENT_SHUTDOWN);
}

const struct fragment_key *datagram_get_key(const struct datagram *datagram)
{
	return &datagram->key;
}

uint64_t datagram_get_deadline(const struct datagram *datagram)
{
	return datagram->deadline_ns;
}

uint32_t datagram_count_frames(const struct datagram *datagram)
{
	return datagram->frame_count;
}

const struct fragment_frame *datagram_next_frame(const struct defragmenter *defragmenter,
						 const struct datagram *datagram,
						 const struct fragment_frame *frame)
{
	uint32_t id = frame != NULL ? frame->next : datagram->first_frame;

	return id != 0 ? frame_at(defragmenter, id) : NULL;
}

void defragment_get_stats(const struct defragmenter *defragmenter,
			  struct defragment_stats *ret_stats)
{
	*ret_stats = (struct defragment_stats){
		.datagrams = defragmenter->count,
		.used_bytes = defragmenter->pool.used_bytes,
		.peak_bytes = defragmenter->pool.peak_bytes,
		.reserved_bytes = defragmenter->config.memory_bytes,
	};
}
