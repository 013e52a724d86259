# SPDX-License-Identifier: Apache-2.0
"""What decoding and tshark find innermost in the same frames, as values that can be compared."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROTOCOLS = """
    _ws.malformed ah arp capwap capwap.data chdlc erspan eth ethertype frame geneve gre gtp icmp
    icmpv6 ieee8021ad ip ipv6 ipv6.dstopts ipv6.fraghdr ipv6.hopopts ipv6.routing l2tp llc mpls nsh
    null ppp ppp_hdlc pppoe pppoes pwethcw pwethheuristic pwethnocw raw sll tcp teredo udp vlan
    vxlan wlan
""".split()
"""What tshark may dissect: everything on the way to a datagram, and what is not decoded here."""

FIELDS = (
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ip.proto",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "ip.opt.type",
    "_ws.malformed",
)

OPTIONS = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")

ICMP_NUMBERS = {"icmp": 1, "icmpv6": 58}


@dataclass(frozen=True, slots=True)
class Tuple:
    """The innermost datagram of a frame; version 0: none."""

    version: int
    protocol: int | None  # None: tshark does not tell (past IPv6 extension headers)
    source: str = "-"
    source_port: int = 0
    destination: str = "-"
    destination_port: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as both see it."""

    number: int  # in the file that tshark read
    capture: int
    ours: Tuple
    theirs: Tuple
    is_first_fragment: bool
    layers: tuple[str, ...]  # ours
    events: frozenset[str]
    protocols: tuple[str, ...]  # tshark's
    has_source_route: bool
    is_malformed: bool  # tshark says so

    @property
    def agrees(self) -> bool:
        """Whether the two are the same, as far as tshark tells."""
        if self.theirs.protocol is not None or self.ours.version != 6:
            return self.ours == self.theirs
        ours, theirs = self.ours, self.theirs
        return (ours.source, ours.destination) == (theirs.source, theirs.destination)


def write_profile(folder: Path) -> None:
    """Disable every protocol that is not wanted: tshark takes a tenth of the time."""
    listing = subprocess.run(["tshark", "-G", "protocols"], capture_output=True, text=True)
    names = {line.split("\t")[2] for line in listing.stdout.splitlines()}
    (folder / "disabled_protos").write_text("\n".join(sorted(names - set(PROTOCOLS))) + "\n")


def run_tshark(capture: Path, folder: Path) -> list[str]:
    """Fields of every frame, a line each."""
    write_profile(folder)
    command = ["tshark", "-n", "-r", str(capture), "-T", "fields", "-E", "occurrence=a"]
    command += [word for option in OPTIONS for word in ("-o", option)]
    command += [word for field in FIELDS for word in ("-e", field)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"WIRESHARK_CONFIG_DIR": str(folder)},
    )
    return done.stdout.splitlines()


def read_theirs(values: dict[str, str]) -> Tuple:
    """The last IP header before an ICMP message, which may quote others."""
    lists = {field: iter(value.split(",")) for field, value in values.items()}

    def take(field: str) -> str:
        return next(lists[field], "") or "0"

    found = Tuple(0, 0)
    for protocol in values["frame.protocols"].split(":"):
        if protocol == "ip":
            found = Tuple(4, int(take("ip.proto")), take("ip.src"), 0, take("ip.dst"), 0)
        elif protocol == "ipv6":
            found = Tuple(6, None, take("ipv6.src"), 0, take("ipv6.dst"), 0)
        elif protocol in ("tcp", "udp"):
            found = Tuple(
                found.version,
                6 if protocol == "tcp" else 17,
                found.source,
                int(take(f"{protocol}.srcport")),
                found.destination,
                int(take(f"{protocol}.dstport")),
            )
        elif protocol in ICMP_NUMBERS:
            return Tuple(
                found.version, ICMP_NUMBERS[protocol], found.source, 0, found.destination, 0
            )
    return found


def read_frame(number: int, our_line: str, their_line: str) -> Frame:
    """One line of each."""
    ours = our_line.split("\t")
    theirs = dict(zip(FIELDS, their_line.split("\t"), strict=True))
    protocol = int(ours[2])
    has_ports = protocol in (6, 17)
    return Frame(
        number=number,
        capture=int(ours[0]),
        ours=Tuple(
            int(ours[1]),
            protocol,
            ours[3],
            int(ours[4]) if has_ports else 0,
            ours[5],
            int(ours[6]) if has_ports else 0,
        ),
        theirs=read_theirs(theirs),
        is_first_fragment=ours[7] == "1",
        layers=tuple(ours[8].split(":")),
        events=frozenset(ours[9].split(",")) - {""},
        protocols=tuple(theirs["frame.protocols"].split(":")),
        has_source_route=bool({"131", "137"} & set(theirs["ip.opt.type"].split(","))),
        is_malformed=theirs["_ws.malformed"] != "",
    )


def compare(binary: Path, captures: list[Path], folder: Path) -> list[Frame]:
    """Every frame of the captures."""
    merged = folder / "merged.pcapng"
    ours = subprocess.run(
        [binary, merged, *captures], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    theirs = run_tshark(merged, folder)
    return [
        read_frame(at + 1, our_line, their_line)
        for at, (our_line, their_line) in enumerate(zip(ours, theirs, strict=True))
    ]
