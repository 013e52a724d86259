// SPDX-License-Identifier: Apache-2.0

// The loop's stages one by one, for callers that run them by themselves (<stellar/engine.h>), and
// the end of a loop, theirs or the worker's own. Worker's thread.

#include "engine/worker.h"

#include <errno.h>
#include <string.h>

// A packet that its caller did not enqueue leaves here, so that it is counted and its frame goes
// back. Its verdict says why, if it says anything.
static void give_up_packet(struct worker *worker, uint8_t reason)
{
	struct packet *packet = &worker->packets[0];

	if (!worker->in_hand)
		return;
	worker->in_hand = false;
	if (packet->verdict.disposition == STELLAR_DROP)
		reason = packet->verdict.drop_reason;
	stage_give_up(worker, packet, reason);
	packet_io_device_release(worker->engine->interfaces[packet->ingress_id].device,
				 &worker->frames[0], 1);
}

int worker_rx(struct worker *worker, uint16_t interface_id, struct packet **ret_packet)
{
	struct engine *engine = worker->engine;

	if (interface_id >= engine->interface_count ||
	    engine->interfaces[interface_id].worker_id != worker->id)
		return -EINVAL;
	give_up_packet(worker, STELLAR_DROPPED_NO_EGRESS);
	memset(&worker->current, 0, sizeof(worker->current));
	policy_follow(worker);
	plugin_follow(worker);
	int count = packet_io_device_rx(engine->interfaces[interface_id].device, worker->frames, 1);

	if (count <= 0) {
		if (engine->is_live)
			defragment_stage_advance(worker, engine_live_clock_ns(engine));
		worker_publish(worker);
		return count;
	}
	worker->in_hand = true;
	stage_decode(worker, &worker->packets[0], &worker->frames[0], interface_id);
	stage_receive(worker, &worker->packets[0]);
	session_stage_prepare(worker, 1);
	*ret_packet = &worker->packets[0];
	return 1;
}

int session_manager(struct worker *worker, struct packet *packet)
{
	defragment_stage_advance(worker, worker->engine->is_live
						 ? engine_live_clock_ns(worker->engine)
						 : packet->frame.time_ns);
	if (packet->is_fragment && !defragment_stage(worker, 0))
		return -ENOENT;
	return session_stage(worker, 0);
}

int plugin_manager(struct worker *worker, struct packet *packet)
{
	plugin_stage(worker, packet);
	session_table_end_change(worker->table);
	return 0;
}

void worker_finish(struct worker *worker)
{
	struct output *output = &worker->engine->output;

	recorder_finish(worker);
	give_up_packet(worker, STELLAR_DROPPED_SHUTDOWN);
	hold_stage_finish(worker);
	merge_give_up(worker);
	defragment_stage_finish(worker);
	memset(&worker->current, 0, sizeof(worker->current));
	if (!atomic_load(&worker->engine->hand_over))
		session_stage_close_all(worker, STELLAR_CLOSED_SHUTDOWN);
	stage_send(worker);
	worker_publish(worker);
	// The last figures are those at the end of the last worker.
	if (atomic_fetch_add(&worker->engine->finished_count, 1) + 1 >=
		    worker->engine->config.worker_count &&
	    worker->engine->replay == NULL)
		record_stats(worker);
	worker_publish(worker);
	if (output->path != NULL && output->is_synchronous && worker->engine->replay == NULL) {
		output_drain(output, &worker->output_ring);
		output_flush(output);
	}
}
