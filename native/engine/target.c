// SPDX-License-Identifier: Apache-2.0

#include "engine/target.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static uint8_t address_bits(uint8_t version)
{
	if (version == 4)
		return 32;
	return version == 6 ? 128 : 0;
}

static bool is_in_prefix(const struct ip_address *address, const struct target *target)
{
	uint32_t bytes = target->prefix_length / 8u;
	uint32_t bits = target->prefix_length % 8u;

	if (address->version != target->prefix.version ||
	    memcmp(address->bytes, target->prefix.bytes, bytes) != 0)
		return false;
	return bits == 0 ||
	       (address->bytes[bytes] ^ target->prefix.bytes[bytes]) >> (8 - bits) == 0;
}

int target_list_add(struct target_list *list, const struct ip_address *prefix,
		    uint8_t prefix_length, uint8_t profile)
{
	struct target target = {*prefix, prefix_length, profile};
	uint16_t position = 0;

	if (address_bits(prefix->version) == 0 || prefix_length > address_bits(prefix->version) ||
	    profile >= STELLAR_TARGET_PROFILE_COUNT)
		return -EINVAL;
	for (uint32_t bit = prefix_length; bit < 128; bit++)
		target.prefix.bytes[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
	if (list->count == STELLAR_TARGETS_MAX)
		return -ENOSPC;
	for (uint16_t i = 0; i < list->count; i++) {
		const struct target *other = &list->targets[i];

		if (other->prefix_length == prefix_length && is_in_prefix(&target.prefix, other))
			return -EEXIST;
		position += other->prefix_length >= prefix_length;
	}
	memmove(&list->targets[position + 1], &list->targets[position],
		(size_t)(list->count - position) * sizeof(target));
	list->targets[position] = target;
	list->count++;
	return 0;
}

uint8_t target_list_lookup(const struct target_list *list, const struct ip_address *address,
			   uint8_t otherwise)
{
	for (uint16_t i = 0; i < list->count; i++) {
		if (is_in_prefix(address, &list->targets[i]))
			return list->targets[i].profile;
	}
	return otherwise;
}
