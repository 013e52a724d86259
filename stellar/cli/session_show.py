# SPDX-License-Identifier: Apache-2.0
"""Show one session, and which rule of which policy decided about it."""

import argparse
from datetime import UTC, datetime

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import format_endpoint, print_json
from stellar.control.sessions import PROTOCOL_NAMES

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("id", type=int, help="the session's id, as session list and events say it")
    add_api_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the session."""
    record = open_api(arguments).get(f"/v1/sessions/{arguments.id}")
    if arguments.json:
        print_json(record)
        return 0
    state = record["state"]
    if record["protocol"] == 6:
        state += f" (tcp {record['tcp_state']})"
    for name, value in (
        ("session", record["id"]),
        ("protocol", PROTOCOL_NAMES.get(record["protocol"], record["protocol"])),
        ("originator", format_endpoint(record["originator"])),
        ("responder", format_endpoint(record["responder"])),
        ("state", state),
        ("parent", record.get("parent_id") or "-"),
        ("interfaces", f"{record.get('ingress', '-')} -> {record.get('egress', '-')}"),
        ("packets", _format_directions(record["packets"])),
        ("bytes", _format_directions(record["bytes"])),
        ("first packet", _format_time(record["start_ns"])),
        ("last packet", _format_time(record["last_ns"])),
        ("verdict", record["verdict"]),
    ):
        print(f"{name + ':':<14} {value}")
    return 0


def _format_directions(counts: dict[str, int]) -> str:
    return f"{counts['forward']} forward, {counts['reverse']} reverse"


def _format_time(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds")
