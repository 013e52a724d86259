// SPDX-License-Identifier: Apache-2.0

// The stages around the session: clock, decode, egress and send. Here every packet is counted in
// and counted out, once each; see <stellar/stats.h> for the law. Worker's thread.

#include <errno.h>
#include <string.h>

#include <stellar/aqm.h>

#include "engine/worker.h"

void stage_decode(struct worker *worker, struct packet *packet, const struct frame *frame,
		  uint16_t ingress_id)
{
	const struct interface *interface = &worker->engine->interfaces[ingress_id];

	packet->frame = *frame;
	packet->ingress_id = ingress_id;
	packet->egress_id = interface->peer_id;
	packet_decode(packet, worker->engine->config.verify_checksums);
	packet->verdict = (struct verdict){
		.disposition_plugin_id = STELLAR_PLUGIN_NONE,
		.block_plugin_id = STELLAR_PLUGIN_NONE,
		.reply_plugin_id = STELLAR_PLUGIN_NONE,
		.rate_limit_plugin_id = STELLAR_PLUGIN_NONE,
		.generation = worker->policy != NULL ? worker->policy->generation : 0,
	};
}

void stage_receive(struct worker *worker, const struct packet *packet)
{
	worker->ledger.packets.received++;
	worker->ledger.packets.received_bytes += packet->frame.wire_length;
	for (uint64_t left = packet->decode_events; left != 0; left &= left - 1)
		worker->ledger.decode_events[__builtin_ctzll(left)]++;
}

static void queue_frame(struct worker *worker, uint16_t interface_id, const struct frame *frame)
{
	struct tx_batch *batch = &worker->tx[interface_id];

	if (batch->count == sizeof(batch->frames) / sizeof(batch->frames[0]))
		stage_send(worker); // a datagram may have been many frames
	batch->frames[batch->count++] = *frame;
}

static void count_drop(struct worker *worker, uint8_t reason)
{
	worker->ledger.packets.dropped[reason]++;
}

static bool is_dropped(const struct worker *worker, const struct packet *packet)
{
	// On a tap a verdict is only remembered: what it would drop goes its way all the same.
	return packet->verdict.disposition == STELLAR_DROP && worker->engine->config.is_inline;
}

void stage_record(struct worker *worker, struct packet *packet)
{
	if (packet->decode_events != 0)
		record_anomaly(worker, packet);
	if (!is_dropped(worker, packet))
		return;
	if (packet->is_reassembled)
		defragment_stage_record(worker, packet);
	else
		record_drop(worker, packet);
}

uint32_t stage_build_reply(const struct worker *worker, const struct packet *packet,
			   uint8_t *ret_frame)
{
	if (packet->verdict.reply == STELLAR_REPLY_NONE || !is_dropped(worker, packet))
		return 0;
	bool is_tcp = packet->protocol == 6 && packet->has_transport;
	int length = packet->verdict.reply == STELLAR_REPLY_RST && is_tcp
			     ? build_rst(packet, ret_frame, BUILD_REPLY_MAX)
			     : build_icmp_prohibited(packet, ret_frame, BUILD_REPLY_MAX);

	return length > 0 ? (uint32_t)length : 0;
}

void stage_send_generated(struct worker *worker, uint16_t egress_id, const struct frame *frame)
{
	worker->ledger.packets.generated++;
	if (egress_id != NO_INTERFACE) {
		queue_frame(worker, egress_id, frame);
		return;
	}
	worker->ledger.packets.forwarded++;
	worker->ledger.packets.forwarded_bytes += frame->wire_length;
}

uint16_t stage_get_way_back(const struct worker *worker, const struct packet *packet)
{
	const struct interface *interface = &worker->engine->interfaces[packet->ingress_id];

	return interface->role == INTERFACE_TAP ? interface->peer_id : packet->ingress_id;
}

// A reply is a packet of its own: generated, then forwarded or dropped like any other.
void stage_send_reply(struct worker *worker, const struct packet *packet, uint8_t *reply,
		      uint32_t length)
{
	const struct frame frame = {
		.data = reply,
		.length = length,
		.wire_length = length,
		.time_ns = worker->now_ns,
		.link_type = packet->frame.link_type,
	};

	stage_send_generated(worker, stage_get_way_back(worker, packet), &frame);
}

void stage_leave(struct worker *worker, struct packet *packet, uint8_t *reply,
		 uint32_t reply_length)
{
	if (packet->is_reassembled) {
		defragment_stage_leave(worker, packet, reply, reply_length);
		return;
	}
	if (is_dropped(worker, packet)) {
		count_drop(worker, packet->verdict.drop_reason);
		if (reply_length > 0)
			stage_send_reply(worker, packet, reply, reply_length);
		return;
	}
	packet->frame.time_ns = worker->now_ns;
	stage_forward(worker, packet, &packet->frame);
}

void stage_forward(struct worker *worker, const struct packet *packet, const struct frame *frame)
{
	const struct interface *interface = &worker->engine->interfaces[packet->ingress_id];

	if (packet->egress_id != NO_INTERFACE) {
		queue_frame(worker, packet->egress_id, frame);
	} else if (interface->role == INTERFACE_TAP) {
		worker->ledger.packets.forwarded++;
		worker->ledger.packets.forwarded_bytes += frame->wire_length;
	} else {
		count_drop(worker, STELLAR_DROPPED_NO_EGRESS);
	}
}

static void leave(struct worker *worker, struct packet *packet)
{
	uint8_t *reply = worker->replies[worker->reply_count];
	uint32_t reply_length = stage_build_reply(worker, packet, reply);

	worker->reply_count += reply_length > 0;
	stage_leave(worker, packet, reply, reply_length);
}

void stage_egress(struct worker *worker, struct packet *packet)
{
	worker->in_hand = false;
	if (packet->is_held)
		return;
	if (packet->attached != 0)
		hold_stage_begin_leave(worker, packet);
	stage_record(worker, packet);
	if (packet->attached == 0) {
		leave(worker, packet);
		return;
	}
	if (!hold_stage_keep(worker, packet, NULL))
		leave(worker, packet);
	inject_stage_leave(worker, packet);
	hold_stage_end_leave(worker, packet);
}

void stage_give_up(struct worker *worker, struct packet *packet, uint8_t reason)
{
	hold_stage_begin_leave(worker, packet);
	if (!defragment_stage_give_up(worker, packet, reason))
		count_drop(worker, reason);
	hold_stage_end_leave(worker, packet);
}

static uint8_t refusal_reason(int result)
{
	return result == -EMSGSIZE ? STELLAR_DROPPED_TOO_BIG : STELLAR_DROPPED_TX_ERROR;
}

static void send_batch(struct worker *worker, uint16_t interface_id)
{
	struct tx_batch *batch = &worker->tx[interface_id];
	struct packet_stats *packets = &worker->ledger.packets;
	uint32_t done = 0;

	while (done < batch->count) {
		int sent = recorder_tx(worker, interface_id, batch->frames + done,
				       batch->count - done);

		if (sent == 0) {
			packets->dropped[STELLAR_DROPPED_TX_FULL] += batch->count - done;
			break;
		}
		if (sent < 0) {
			// The first of them can never be sent; the others may.
			count_drop(worker, refusal_reason(sent));
			done++;
			continue;
		}
		for (int i = 0; i < sent; i++)
			packets->forwarded_bytes += batch->frames[done + (uint32_t)i].wire_length;
		packets->forwarded += (uint32_t)sent;
		done += (uint32_t)sent;
	}
	batch->count = 0;
	packet_io_device_flush(worker->engine->interfaces[interface_id].device);
}

void stage_send(struct worker *worker)
{
	for (uint16_t id = 0; id < worker->engine->interface_count; id++) {
		if (worker->tx[id].count > 0)
			send_batch(worker, id);
	}
	worker->reply_count = 0;
}

int aqm_enqueue(struct worker *worker, const uint32_t *group_ids, size_t count,
		struct packet *packet)
{
	int result = 0;

	if (!worker->in_hand || packet != &worker->packets[0])
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (group_ids[i] != 0)
			result = -ENOSYS;
	}
	if (result == 0)
		stage_egress(worker, packet);
	else
		stage_give_up(worker, packet, STELLAR_DROPPED_AQM);
	worker->in_hand = false;
	stage_send(worker);
	packet_io_device_release(worker->engine->interfaces[packet->ingress_id].device,
				 &worker->frames[0], 1);
	worker_publish(worker);
	return result;
}
