# SPDX-License-Identifier: Apache-2.0
"""Runs one benchmark beside its peer and writes build/bench/NAME.json.

usage: run.py NAME      (`make bench BENCH=NAME` does it by way of bench_NAME.py)

A benchmark is a module bench_NAME.py with CASES. Each case is a native driver that measures ours
and theirs in turn, in one process, and prints a line of JSON a pair; the row is the median of the
pairs. Huge pages are reserved for both sides when root may, and given back.
"""

import contextlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench-native"
RESULTS = ROOT / "build" / "bench"
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")
HUGE_PAGE_BYTES = 2 << 20
PAIRS_MIN = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One row: a run of a driver."""

    name: str
    driver: str  # meson target
    arguments: tuple[str, ...]  # of the driver; {pages} becomes huge or small
    peer: str
    unit: str
    more_is_better: bool = True
    memory_bytes: int = 0  # for both sides, to reserve huge pages
    command: tuple[str, ...] = ()  # in the driver's place; what it needs is built


def refuse(message: str) -> None:
    """End with one line on standard error."""
    sys.exit(f"bench: {message}")


def build(drivers: set[str]) -> None:
    """Build the drivers in a tree of their own."""
    BUILD.parent.mkdir(exist_ok=True)
    options = ["-Dbench=enabled", "-Dtests=false", "-Dbuildtype=debugoptimized"]
    commands = [["meson", "compile", "-C", str(BUILD), *sorted(drivers)]]
    if not (BUILD / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", str(BUILD), str(ROOT), *options])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stdout[-3000:] + done.stderr[-1000:], file=sys.stderr)
            refuse(f"{' '.join(command[:2])} failed (is libdpdk-dev installed?)")


@contextlib.contextmanager
def huge_pages(memory_bytes: int) -> Iterator[str]:
    """Reserve huge pages for the length of a case; gives what the driver is to use."""
    if memory_bytes == 0:
        yield "small"
        return
    before = int(HUGE_PAGES.read_text())
    wanted = before + memory_bytes // HUGE_PAGE_BYTES + 1
    try:
        HUGE_PAGES.write_text(str(wanted))
        granted = int(HUGE_PAGES.read_text()) >= wanted
    except OSError:
        granted = False
    try:
        yield "huge" if granted else "small"
    finally:
        with contextlib.suppress(OSError):
            HUGE_PAGES.write_text(str(before))


def output_of(*command: str) -> str:
    """First line a command prints, or unknown."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else "unknown"


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cpu": cpu[0].split(":", 1)[1].strip() if cpu else platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "compiler": output_of("cc", "--version"),
        "dpdk": output_of("pkg-config", "--modversion", "libdpdk"),
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "modified": output_of("git", "status", "--porcelain") != "unknown",
        "load": os.getloadavg()[0],
    }


def run_case(case: Case) -> dict[str, Any]:
    """Run one driver and work out its row."""
    command = case.command or (str(next(BUILD.glob(f"tests/bench/**/{case.driver}"))),)
    with huge_pages(case.memory_bytes) as pages:
        arguments = [argument.format(pages=pages) for argument in case.arguments]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        refuse(f"{case.name}: {done.stderr.strip().splitlines()[-1:]}")
    pairs = [json.loads(line) for line in done.stdout.splitlines()]
    if len(pairs) < PAIRS_MIN:
        refuse(f"{case.name}: {PAIRS_MIN} pairs were expected, {len(pairs)} found")
    ratios = [pair["ours"] / pair["theirs"] for pair in pairs]
    if not case.more_is_better:
        ratios = [1 / ratio for ratio in ratios]
    return {
        "case": case.name,
        "ours": statistics.median(pair["ours"] for pair in pairs),
        "peer": case.peer,
        "theirs": statistics.median(pair["theirs"] for pair in pairs),
        "unit": case.unit,
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "pairs": len(pairs),
        "pages": pages,
    }


def load_cases(name: str) -> list[Case]:
    """CASES of bench_NAME.py."""
    path = Path(__file__).with_name(f"bench_{name}.py")
    spec = importlib.util.spec_from_file_location(f"bench_{name}", path)
    if spec is None or spec.loader is None or not path.exists():
        refuse(f"there is no benchmark {name}")
        raise AssertionError
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cases: list[Case] = module.CASES
    return cases


def main(name: str) -> None:
    """Measure every case and write the result."""
    sys.modules.setdefault("run", sys.modules[__name__])
    cases = load_cases(name)
    build({case.driver for case in cases})
    result: dict[str, Any] = {"name": name, "machine": describe_machine(), "rows": []}
    for case in cases:
        row = run_case(case)
        result["rows"].append(row)
        print(
            f"{row['case']:<44} {row['ours']:>12.4g} {row['peer']} {row['theirs']:>12.4g}"
            f" {row['unit']:<18} ratio {row['ratio']:.2f}"
            f" ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})",
            flush=True,
        )
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: run.py NAME", file=sys.stderr)
        sys.exit(2)
    main(sys.argv[1])
