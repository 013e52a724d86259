# SPDX-License-Identifier: Apache-2.0
"""The mutations: each a small fault that a tired engineer could make."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fault: this text of this file becomes that. The text must stand there exactly once."""

    name: str
    file: str
    before: str
    after: str


MUTATIONS = (
    Mutation(
        "decode_layer_limit_off_by_one",
        "native/packet/layer.h",
        "if (__builtin_expect(packet->layer_count == STELLAR_LAYERS_MAX, 0))",
        "if (__builtin_expect(packet->layer_count == STELLAR_LAYERS_MAX + 1, 0))",
    ),
    Mutation(
        "decode_tcp_header_may_be_cut",
        "native/packet/transport.c",
        "if (header_length > cursor_wire_length(cursor)) {",
        "if (header_length > cursor_wire_length(cursor) + 4) {",
    ),
    Mutation(
        "decode_udp_length_off_by_one",
        "native/packet/transport.c",
        "cursor = cursor_trim(cursor, length);",
        "cursor = cursor_trim(cursor, length + 1);",
    ),
    Mutation(
        "reply_ports_not_swapped",
        "native/packet/build.c",
        "store_be16(header, packet->destination_port);",
        "store_be16(header, packet->source_port);",
    ),
    Mutation(
        "reply_forgets_that_syn_counts",
        "native/packet/build.c",
        "return length + ((packet->tcp.flags & STELLAR_TCP_SYN) != 0) +",
        "return length +",
    ),
    Mutation(
        "session_directions_swapped",
        "native/session/table.c",
        "\tif (key->source_is_high)\n\t\thot->flags |= SESSION_ORIGINATOR_IS_HIGH;",
        "\tif (!key->source_is_high)\n\t\thot->flags |= SESSION_ORIGINATOR_IS_HIGH;",
    ),
    Mutation(
        "session_capacity_off_by_one",
        "native/session/table.c",
        "if (table->count == table->capacity)",
        "if (table->count + 1 == table->capacity)",
    ),
    Mutation(
        "session_metadata_not_freed",
        "native/session/table.c",
        "\t\tmetadata_clear(&extension->metadata);\n\t\tslab_put(",
        "\t\tslab_put(",
    ),
    Mutation(
        "session_index_entry_left_behind",
        "native/session/table.c",
        "\tsession_index_remove(&table->index, hash, index);\n\tif ((hot",
        "\tif ((hot",
    ),
    Mutation(
        "session_ipv6_compares_hash_only",
        "native/session/table.c",
        "return key->version == 4 || memcmp(session_table_get_extension(table, "
        "index)->address,\n"
        "\t\t\t\t\t   key->address, sizeof(key->address)) == 0;",
        "return true;",
    ),
    Mutation(
        "metadata_replaced_without_free",
        "native/session/metadata.c",
        "\tfree_value(&old);\n",
        "\t(void)old;\n",
    ),
    Mutation(
        "tcp_fin_edge_wrong",
        "native/session/tcp_state.c",
        "[TCP_INPUT_FIN_ANSWER] = TO(LAST_ACK), // the responder finishes too",
        "[TCP_INPUT_FIN_ANSWER] = TO(CLOSING), // the responder finishes too",
    ),
    Mutation(
        "tcp_window_not_checked",
        "native/session/tcp_track.c",
        "return (to_end_of_window | from_retransmission | to_sent | from_old) >= 0;",
        "return (from_retransmission | to_sent | from_old) >= 0;",
    ),
    Mutation(
        "tcp_window_scale_of_other_side",
        "native/session/tcp_numbers.h",
        "return hot->window_scale >> (direction * 4) & 15u;",
        "return hot->window_scale >> ((direction ^ 1) * 4) & 15u;",
    ),
    Mutation(
        "timer_fires_one_tick_late",
        "native/session/timer_wheel.c",
        "if (deadline <= wheel->now_ms)",
        "if (deadline < wheel->now_ms)",
    ),
    Mutation(
        "drop_counted_as_another_reason",
        "native/engine/stages.c",
        "\tworker->ledger.packets.dropped[reason]++;",
        "\tworker->ledger.packets.dropped[STELLAR_DROPPED_PLUGIN]++;",
    ),
    Mutation(
        "reply_not_counted_as_generated",
        "native/engine/stages.c",
        "\tworker->ledger.packets.generated++;\n",
        "",
    ),
    Mutation(
        "refused_frames_counted_whole",
        "native/engine/stages.c",
        "packets->dropped[STELLAR_DROPPED_TX_FULL] += batch->count - done;",
        "packets->dropped[STELLAR_DROPPED_TX_FULL] += batch->count;",
    ),
    Mutation(
        "reply_sent_to_the_wrong_side",
        "native/engine/stages.c",
        "interface->role == INTERFACE_TAP ? interface->peer_id : packet->ingress_id;",
        "interface->peer_id;",
    ),
    Mutation(
        "closed_session_still_counted",
        "native/engine/session_stage.c",
        "\tworker->ledger.sessions.active--;\n",
        "",
    ),
    Mutation(
        "port_reuse_keeps_the_old_session",
        "native/engine/session_stage.c",
        "\t\treturn -EAGAIN;\n\tif (outcome.code == TCP_INVALID)",
        "\t\treturn 0;\n\tif (outcome.code == TCP_INVALID)",
    ),
    Mutation(
        "context_not_freed_at_detach",
        "native/engine/plugin_call.c",
        "\thost->rows[worker->id].detached++;\n\tfree_context(worker, session, host);",
        "\thost->rows[worker->id].detached++;\n"
        "\tsession->block->initialised &= ~PLUGIN_BIT(host->id);",
    ),
    Mutation(
        "detach_has_no_effect",
        "native/engine/plugin_call.c",
        "\tsession->block->detached |= PLUGIN_BIT(host->id);\n",
        "",
    ),
    Mutation(
        "muted_plugin_hears_no_closing",
        "native/engine/plugin_dispatch.c",
        "return (event == STELLAR_EVENT_SESSION_CLOSING ||",
        "return (",
    ),
    Mutation(
        "derived_event_goes_to_all_hearers",
        "native/engine/plugin_table.c",
        "? table->derived_interest[event->derived_id]",
        "? table->interest[STELLAR_EVENT_DERIVED]",
    ),
    Mutation(
        "derived_event_keeps_the_callers_bytes",
        "native/engine/plugin_queue.c",
        "\tentry->event.data = copy;",
        "\tentry->event.data = bytes;",
    ),
    Mutation(
        "owner_is_told_that_it_took_over",
        "native/engine/plugin_suspend.c",
        "block->called & ~PLUGIN_BIT(block->owner_id)",
        "block->called",
    ),
    Mutation(
        "blocked_session_passes",
        "native/engine/plugin_stage.c",
        "\tsession->hot->flags |= SESSION_BLOCKED;\n\tif (verdict->drop",
        "\tif (verdict->drop",
    ),
    Mutation(
        "weaker_verdict_wins",
        "native/engine/verdict_api.c",
        "if (request->disposition > verdict->disposition) {",
        "if (request->disposition >= verdict->disposition || is_drop == false) {",
    ),
    Mutation(
        "wave_ages_claims_by_call",
        "native/engine/plugin_wave.c",
        "return wave->age + (wave->is_calling ? get_position(worker) : 0);",
        "return wave->age;",
    ),
    Mutation(
        "wave_writes_a_record_again",
        "native/engine/plugin_wave.c",
        "if (record->position != position)",
        "if (record->position > position)",
    ),
    Mutation(
        "policy_retired_while_pinned",
        "native/engine/policy_swap.c",
        "pinned += atomic_load(&worker->generation_sessions[slot]);",
        "pinned += 0 * atomic_load(&worker->generation_sessions[slot]);",
    ),
    Mutation(
        "rule_port_range_off_by_one",
        "native/plugins/firewall/classifier.c",
        "if ((uint16_t)(query->port - entry->first_port) > entry->port_span ||",
        "if ((uint16_t)(query->port - entry->first_port) >= entry->port_span ||",
    ),
    Mutation(
        "rule_zones_swapped",
        "native/plugins/firewall/firewall.c",
        "\t\t.from_zone = from.zone_id,\n\t\t.to_zone = to.zone_id,",
        "\t\t.from_zone = to.zone_id,\n\t\t.to_zone = from.zone_id,",
    ),
    Mutation(
        "rule_hit_not_counted",
        "native/plugins/firewall/firewall.c",
        "\tplugin_counter_add(session, rule->counter, 1);\n",
        "",
    ),
)
