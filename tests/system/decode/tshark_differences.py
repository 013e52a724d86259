# SPDX-License-Identifier: Apache-2.0
"""Why tshark's innermost datagram of a frame may be another: each kind, its reason, its mark."""

from collections.abc import Callable

from tshark_frames import Frame

MALFORMED = {
    "ipv4_version_wrong",
    "ipv4_header_length_wrong",
    "ipv4_total_length_wrong",
    "tcp_header_length_wrong",
    "tcp_truncated",
    "udp_length_wrong",
    "udp_truncated",
}


def is_same_but_for_ports(frame: Frame) -> bool:
    """Whether only the ports differ, which were not decoded here."""
    ours, theirs = frame.ours, frame.theirs
    return ours.source_port == 0 == ours.destination_port and (
        (ours.version, ours.source, ours.destination)
        == (theirs.version, theirs.source, theirs.destination)
    )


def is_malformed(frame: Frame) -> bool:
    """An endpoint would not take it: nothing after the wrong field is trusted, and the event says
    which one it is. tshark shows a human what stands there all the same."""
    return bool(frame.events & MALFORMED)


def is_cut_fragment(frame: Frame) -> bool:
    """A first fragment that ends within the TCP or UDP header: its ports are known when the
    datagram is whole. tshark reads them from the part."""
    return frame.is_first_fragment and is_same_but_for_ports(frame)


def is_tunnel_in_fragment(frame: Frame) -> bool:
    """A first fragment of a tunnel's datagram: it is entered when the datagram is whole, or its
    later fragments would belong to another session. tshark enters the first."""
    return frame.is_first_fragment and frame.layers[-1] in ("unknown", "payload")


def is_source_routed(frame: Frame) -> bool:
    """IPv4 with a source route: the header's destination is the next hop, and Linux's session is
    with it. tshark shows the route's last address as the destination."""
    return frame.has_source_route and frame.ours.source == frame.theirs.source


def is_given_up_by_tshark(frame: Frame) -> bool:
    """tshark stops at an IP option that it finds wrong (a security option of two bytes), with an
    exception. Endpoints that don't read options take the datagram."""
    return frame.is_malformed and frame.theirs.source_port == 0


def has_vlans_beyond_two(frame: Frame) -> bool:
    """More than two VLAN tags are malformed here (event vlan_too_many)."""
    return "vlan_too_many" in frame.events


def is_wireless(frame: Frame) -> bool:
    """IEEE 802.11 in CAPWAP is not decoded."""
    return "wlan" in frame.protocols


def is_service_chain(frame: Frame) -> bool:
    """A network service header (RFC 8300) is not decoded."""
    return "nsh" in frame.protocols


REASONS: tuple[Callable[[Frame], bool], ...] = (
    is_malformed,
    is_cut_fragment,
    is_tunnel_in_fragment,
    is_source_routed,
    is_given_up_by_tshark,
    has_vlans_beyond_two,
    is_wireless,
    is_service_chain,
)
