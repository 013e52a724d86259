# SPDX-License-Identifier: Apache-2.0
"""The scenario language: hosts, packets and time in YAML, and what must come of them. Pure.

    scenario = load_scenario(Path("hello.yml"))
    frames = build_frames(scenario)
    capture = build_pcap(frames)
    differences = compare(scenario, outcome)

`stellar.engine.scenario` runs one.
"""

from stellar.scenario.capture import build_pcap, build_pcapng, parse_pcap
from stellar.scenario.compare import Difference, Outcome, compare, log_lines
from stellar.scenario.describe import describe_frame
from stellar.scenario.errors import ScenarioError
from stellar.scenario.frame import Frame
from stellar.scenario.load import load_scenario, parse_scenario
from stellar.scenario.model import PluginChoice, RunOptions, Scenario
from stellar.scenario.traffic import build_frames

__all__ = [
    "Difference",
    "Frame",
    "Outcome",
    "PluginChoice",
    "RunOptions",
    "Scenario",
    "ScenarioError",
    "build_frames",
    "build_pcap",
    "build_pcapng",
    "compare",
    "describe_frame",
    "load_scenario",
    "log_lines",
    "parse_pcap",
    "parse_scenario",
]
