// SPDX-License-Identifier: Apache-2.0

// The conservation law as arithmetic; see <stellar/stats.h>. Pure.

#include <stellar/stats.h>

uint64_t packet_stats_dropped(const struct packet_stats *stats)
{
	uint64_t sum = 0;

	for (uint32_t reason = 1; reason < STELLAR_DROP_REASON_COUNT; reason++)
		sum += stats->dropped[reason];
	return sum;
}

int64_t packet_stats_imbalance(const struct packet_stats *stats)
{
	uint64_t in = stats->received + stats->generated;
	uint64_t out = stats->forwarded + packet_stats_dropped(stats) + stats->local + stats->held;

	return (int64_t)(in - out);
}
