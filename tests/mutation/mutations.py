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
        "native/packet/decode.c",
        "if (packet->layer_count == STELLAR_LAYERS_MAX) {",
        "if (packet->layer_count == STELLAR_LAYERS_MAX + 1) {",
    ),
    Mutation(
        "decode_tcp_header_length_unchecked",
        "native/packet/transport.c",
        "if (header_length > cursor_wire_length(cursor)) {",
        "if (header_length > cursor_wire_length(cursor) + 4) {",
    ),
    Mutation(
        "decode_udp_not_trimmed",
        "native/packet/transport.c",
        "cursor = cursor_trim(cursor, length);",
        "cursor = cursor_trim(cursor, length + 1);",
    ),
    Mutation(
        "build_rst_ports_not_swapped",
        "native/packet/build.c",
        "store_be16(header, packet->destination_port);",
        "store_be16(header, packet->source_port);",
    ),
    Mutation(
        "build_rst_forgets_syn_length",
        "native/packet/build.c",
        "return length + ((packet->tcp.flags & STELLAR_TCP_SYN) != 0) +",
        "return length +",
    ),
)
