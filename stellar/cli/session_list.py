# SPDX-License-Identifier: Apache-2.0
"""List the sessions in the table, in its order: any filter, up to a limit."""

import argparse
import sys
import time
from typing import Any

from stellar.cli.api_client import add_api_arguments, open_api
from stellar.cli.output import format_bytes, format_endpoint, format_span, print_json, print_table
from stellar.control.sessions import PROTOCOL_NAMES

__all__ = ["add_arguments", "run"]

_HEADINGS = tuple("id parent proto originator responder state tcp packets bytes age rule".split())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_api_arguments(parser)
    parser.add_argument("--limit", type=int, default=100, help="at most so many (%(default)s)")
    parser.add_argument("--cursor", help="go on where an earlier list ended")
    parser.add_argument("--protocol", help="tcp, udp, icmp, icmpv6, ... or a number")
    parser.add_argument("--address", help="of the originator or of the responder")
    parser.add_argument("--port", type=int, help="of the originator or of the responder")
    parser.add_argument("--state", choices=("opening", "active", "closing"), help="only these")
    parser.add_argument("--generation", type=int, help="judged by this policy generation")


def run(arguments: argparse.Namespace) -> int:
    """Print one page."""
    names = ("limit", "cursor", "protocol", "address", "port", "state", "generation")
    query = {name: getattr(arguments, name) for name in names}
    answer = open_api(arguments).get("/v1/sessions", query)
    if arguments.json:
        print_json(answer)
        return 0
    now_ns = time.time_ns()
    print_table(_HEADINGS, [_row(record, now_ns) for record in answer["sessions"]])
    if answer["cursor"] is not None:
        print(f"there are more: --cursor '{answer['cursor']}'", file=sys.stderr)
    return 0


def _row(record: dict[str, Any], now_ns: int) -> tuple[object, ...]:
    rule_id = record["rule_id"]
    return (
        record["id"],
        record.get("parent_id") or "-",
        PROTOCOL_NAMES.get(record["protocol"], record["protocol"]),
        format_endpoint(record["originator"]),
        format_endpoint(record["responder"]),
        record["state"],
        record["tcp_state"] if record["protocol"] == 6 else "-",
        "{forward}/{reverse}".format(**record["packets"]),
        "/".join(format_bytes(count) for count in record["bytes"].values()),
        format_span(now_ns - record["start_ns"]),
        record.get("rule") or (rule_id if rule_id else "-"),
    )
