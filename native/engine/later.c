// SPDX-License-Identifier: Apache-2.0

// What the public headers declare and this version does not do. Each returns -ENOSYS and is listed
// in ARCHITECTURE.md, "Declared, not there yet"; its place is the folder named beside it.

#include <errno.h>

#include <stellar/aqm.h>
#include <stellar/engine.h>
#include <stellar/file.h>
#include <stellar/match.h>
#include <stellar/rewrite.h>

// protocol/: files.
int file_get_name(const struct session *session, const uint8_t **ret_name, size_t *ret_length)
{
	return -ENOSYS;
}

int file_get_size(const struct session *session, uint64_t *ret_size_bytes)
{
	return -ENOSYS;
}

int file_request_hash(struct session *session, enum stellar_file_hash hash)
{
	return -ENOSYS;
}

int file_get_hash(const struct session *session, enum stellar_file_hash hash,
		  const uint8_t **ret_digest, size_t *ret_length)
{
	return -ENOSYS;
}

// match/: shared sets.
int match_prefix_set_create(const struct ip_address *prefixes, const uint8_t *prefix_lengths,
			    const uint32_t *values, size_t count, struct match_prefix_set **ret_set)
{
	return -ENOSYS;
}

void match_prefix_set_destroy(struct match_prefix_set *set)
{
}

int match_prefix_set_lookup(const struct match_prefix_set *set, const struct ip_address *address,
			    uint32_t *ret_value)
{
	return -ENOSYS;
}

// rewrite/: translation.
int rewrite_set_alias(struct session *session, const struct packet_endpoint *originator,
		      const struct packet_endpoint *responder)
{
	return -ENOSYS;
}

int rewrite_del_alias(struct session *session)
{
	return -ENOSYS;
}

// aqm/: queues.
int aqm_group_create(uint32_t group_id, uint64_t rate_bps, uint64_t burst_bytes)
{
	return -ENOSYS;
}

int aqm_group_destroy(uint32_t group_id)
{
	return -ENOSYS;
}
