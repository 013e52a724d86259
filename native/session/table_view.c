// SPDX-License-Identifier: Apache-2.0

// Reading sessions: nothing here changes the table.

#include <netinet/in.h>
#include <string.h>

#include "session/memory.h"
#include "session/table.h"

#define NS_PER_MS UINT64_C(1000000)

uint64_t session_table_get_bytes(const struct session_table *table)
{
	uint64_t lines = (uint64_t)table->used_count + 1;
	return session_index_get_bytes(&table->index) +
	       memory_get_touched(lines * sizeof(*table->hot), table->hot_bytes) +
	       memory_get_touched(lines * sizeof(*table->cold), table->cold_bytes) +
	       (uint64_t)table->extensions.chunk_count * SLAB_CHUNK * table->extensions.record_size;
}

uint32_t session_table_next(const struct session_table *table, uint32_t index)
{
	while (index < table->used_count) {
		if (table->hot[++index].version != 0)
			return index;
	}
	return SESSION_NONE;
}

uint64_t session_table_get_id(const struct session_table *table, uint32_t index)
{
	const struct session_cold *cold = &table->cold[index];
	return table->id_base | (uint64_t)cold->serial_high << 32 | cold->serial_low;
}

void session_table_get_key(const struct session_table *table, uint32_t index,
			   struct session_key *ret_key)
{
	const struct session_hot *hot = &table->hot[index];
	memset(ret_key, 0, sizeof(*ret_key));
	ret_key->ports_tag = hot->ports_tag;
	ret_key->realm = hot->realm;
	ret_key->source_is_high = (hot->flags & SESSION_ORIGINATOR_IS_HIGH) != 0;
	ret_key->is_reply = (hot->flags & SESSION_ICMP_REPLY_FIRST) != 0;
	if (hot->version == 4)
		ret_key->address[0] = hot->address;
	else if (hot->version == 6)
		memcpy(ret_key->address, session_table_get_extension(table, index)->address,
		       sizeof(ret_key->address));
}

void session_table_get_endpoints(const struct session_table *table, uint32_t index,
				 struct packet_endpoint *ret_originator,
				 struct packet_endpoint *ret_responder)
{
	struct session_key key;
	session_table_get_key(table, index, &key);
	bool high = key.source_is_high;
	session_key_get_address(&key, high, &ret_originator->address);
	session_key_get_address(&key, !high, &ret_responder->address);
	if (key.protocol == (key.version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		ret_originator->port = key.port_low;
		ret_responder->port = session_key_get_icmp_first(&key);
	} else {
		ret_originator->port = high ? key.port_high : key.port_low;
		ret_responder->port = high ? key.port_low : key.port_high;
	}
}

uint64_t session_table_get_packets(const struct session_table *table, uint32_t index,
				   enum stellar_direction direction)
{
	return (uint64_t)table->cold[index].packets_high[direction] << 32 |
	       table->hot[index].packets[direction];
}

uint64_t session_table_get_bytes_of(const struct session_table *table, uint32_t index,
				    enum stellar_direction direction)
{
	return (uint64_t)table->cold[index].bytes_high[direction] << 32 |
	       table->hot[index].bytes[direction];
}

uint64_t session_table_get_last_ns(const struct session_table *table, uint32_t index)
{
	uint64_t now_ms = table->wheel.now_ms;
	int32_t since = (int32_t)(table->hot[index].last_seen_ms - (uint32_t)now_ms);
	uint64_t last_ns = (now_ms + (uint64_t)(int64_t)since) * NS_PER_MS;
	uint64_t start_ns = table->cold[index].start_ns;
	return last_ns > start_ns ? last_ns : start_ns;
}

uint32_t session_table_get_timeout_ms(const struct session_table *table, uint32_t index)
{
	const struct session_hot *hot = &table->hot[index];
	switch (hot->protocol) {
	case IPPROTO_TCP:
		return table->timeout_ms[hot->tcp_state];
	case IPPROTO_UDP:
		return table->udp_timeout_ms[hot->state];
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return table->icmp_timeout_ms;
	default:
		return table->other_timeout_ms;
	}
}

uint16_t session_table_get_side_flag(const struct session_table *table, uint32_t index,
				     const struct session_key *key)
{
	return session_key_is_equal(&session_table_get_extension(table, index)->alias, key)
		       ? SESSION_ALIAS_ORIGINATOR_IS_HIGH
		       : SESSION_ORIGINATOR_IS_HIGH;
}

enum stellar_session_state session_hot_leave_opening(const struct session_hot *hot,
						     enum stellar_direction direction)
{
	if (hot->protocol != IPPROTO_TCP)
		return direction == STELLAR_REVERSE ? STELLAR_SESSION_ACTIVE
						    : STELLAR_SESSION_OPENING;
	// A session that was refused never was active.
	return hot->tcp_state >= STELLAR_TCP_ESTABLISHED && hot->tcp_state <= STELLAR_TCP_TIME_WAIT
		       ? STELLAR_SESSION_ACTIVE
		       : STELLAR_SESSION_OPENING;
}

enum stellar_closing_reason session_hot_closing_reason(const struct session_hot *hot)
{
	switch (hot->tcp_state) {
	case STELLAR_TCP_CLOSING:
	case STELLAR_TCP_LAST_ACK:
	case STELLAR_TCP_TIME_WAIT:
		return STELLAR_CLOSED_FIN;
	case STELLAR_TCP_CLOSED:
		return STELLAR_CLOSED_RST;
	default:
		return STELLAR_CLOSED_TIMEOUT;
	}
}
