# SPDX-License-Identifier: Apache-2.0
"""ICMP by name: errors in both families, echo, and how they are told."""

from collections.abc import Mapping

from stellar.scenario.frame import ICMP, ICMPV6

__all__ = ["ECHO", "ERROR_KINDS", "kind_name"]

ECHO: Mapping[int, tuple[int, int]] = {ICMP: (8, 0), ICMPV6: (128, 129)}
"""Type of request and reply."""

ERROR_KINDS: Mapping[str, Mapping[int, tuple[int, int]]] = {
    "net_unreachable": {ICMP: (3, 0), ICMPV6: (1, 0)},
    "host_unreachable": {ICMP: (3, 1), ICMPV6: (1, 3)},
    "port_unreachable": {ICMP: (3, 3), ICMPV6: (1, 4)},
    "packet_too_big": {ICMP: (3, 4), ICMPV6: (2, 0)},
    "admin_prohibited": {ICMP: (3, 13), ICMPV6: (1, 1)},
    "time_exceeded": {ICMP: (11, 0), ICMPV6: (3, 0)},
    "parameter_problem": {ICMP: (12, 0), ICMPV6: (4, 0)},
}
"""Type and code of each error, by the family's protocol number."""


def kind_name(protocol: int, kind: int, code: int) -> str:
    """Name of a type and code; numbers for what has none."""
    if kind in ECHO[protocol]:
        return ("echo_request", "echo_reply")[ECHO[protocol].index(kind)]
    for name, values in ERROR_KINDS.items():
        if values[protocol] == (kind, code):
            return name
    return f"type_{kind}_code_{code}"
