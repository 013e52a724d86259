# SPDX-License-Identifier: Apache-2.0
"""The engine's figures as Prometheus metrics: `stellar_<noun>_<unit>_total` and `_gauge`.

Pure: takes the answer of the engine's `stats` call, gives the text of a scrape. A figure that the
engine does not give has no sample. Called by the control daemon.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "render_metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Stats = Mapping[str, Any]

# Place in the statistics, name of the metric (a counter gets `_total`), what it counts.
_TOTALS = (
    ("packets.received", "stellar_received_packets", "Frames received"),
    ("packets.generated", "stellar_generated_packets", "Frames that the engine made itself"),
    ("packets.forwarded", "stellar_forwarded_packets", "Frames sent on"),
    ("packets.local", "stellar_local_packets", "Frames given to the kernel"),
    ("bytes.received", "stellar_received_bytes", "Bytes of the frames received"),
    ("bytes.forwarded", "stellar_forwarded_bytes", "Bytes of the frames sent on"),
    ("sessions.created", "stellar_created_sessions", "Sessions made"),
    ("sessions.resumed", "stellar_resumed_sessions", "Sessions of a killed engine that went on"),
    ("sessions.torn", "stellar_torn_sessions", "Sessions that were in change when it was killed"),
    ("sessions.source_limited", "stellar_source_limited_packets", "Of sources at their limit"),
    ("sessions.floods", "stellar_floods", "Times a worker went into flood mode"),
    ("sessions.evicted", "stellar_evicted_sessions", "Sessions that made room for others"),
    ("sessions.untracked", "stellar_untracked_packets", "Packets that passed without a session"),
    ("sessions.children", "stellar_child_sessions", "Sessions made as the child of another"),
    ("sessions.orphaned", "stellar_orphaned_sessions", "Children without room for the tie"),
    ("sessions.expectations_announced", "stellar_announced_sessions", "Sessions announced"),
    ("sessions.expectations_met", "stellar_met_announcements", "Announced sessions that came"),
    ("sessions.expectations_expired", "stellar_expired_announcements", "Ended without a session"),
    ("sessions.expectations_refused", "stellar_refused_announcements", "Over a limit"),
    ("streams.opened", "stellar_opened_streams", "TCP sessions whose bytes are put in order"),
    ("streams.delivered_bytes", "stellar_delivered_stream_bytes", "Bytes given to plugins"),
    ("streams.gaps", "stellar_stream_gaps", "Times bytes were left out of a stream"),
    ("streams.gap_bytes", "stellar_gap_stream_bytes", "Bytes that were left out"),
    ("streams.overlaps", "stellar_stream_overlaps", "Segments that contradict what was known"),
    ("streams.limited", "stellar_limited_streams", "Times a limit made bytes be left out"),
    (
        "streams.kept_lost",
        "stellar_lost_stream_readers",
        "Times a plugin lost what it had not read",
    ),
    ("streams.no_memory", "stellar_refused_streams", "Sessions that found no memory for a stream"),
    ("events_overflowed", "stellar_overflowed_events", "Events of callbacks without room"),
    ("output.written", "stellar_written_event_lines", "EVE lines written"),
    ("output.lost", "stellar_lost_event_lines", "EVE lines lost"),
)
_LEVELS = (
    ("packets.held", "stellar_held_packets_gauge", "Frames queued or awaiting a verdict"),
    ("imbalance", "stellar_imbalance_packets_gauge", "What conservation is off by: 0"),
    ("sessions.active", "stellar_active_sessions_gauge", "Sessions in the table"),
    ("sessions.opening", "stellar_opening_sessions_gauge", "Sessions in OPENING"),
    ("sessions.flood", "stellar_flood_workers_gauge", "Workers in flood mode"),
    ("streams.active", "stellar_active_streams_gauge", "Sessions whose bytes are put in order"),
    ("streams.held_bytes", "stellar_held_stream_bytes_gauge", "Memory of bytes out of order"),
    ("sessions.capacity", "stellar_capacity_sessions_gauge", "Sessions the table can hold"),
    ("sessions.expectations", "stellar_announced_sessions_gauge", "Announced, not yet there"),
    ("policy.generation", "stellar_policy_generation_gauge", "Policy in force; 0: none"),
)
# Place of a mapping from a name to a figure, metric, its label, what it counts.
_TOTALS_BY_NAME = (
    ("packets.dropped", "stellar_dropped_packets", "reason", "Frames dropped"),
    ("sessions.closed", "stellar_closed_sessions", "reason", "Sessions closed"),
    ("events", "stellar_raised_events", "event", "Events raised"),
    ("derived_events", "stellar_derived_events", "event", "Events of plugins raised"),
    ("decode_events", "stellar_decode_events", "event", "Packets with a decode event"),
)
# Figures of each entry of a list, labelled with the entry's name.
_TOTALS_BY_ENTRY = (
    ("interfaces", "rx_frames", "stellar_interface_received_packets", "interface"),
    ("interfaces", "rx_bytes", "stellar_interface_received_bytes", "interface"),
    ("interfaces", "rx_missed", "stellar_interface_missed_packets", "interface"),
    ("interfaces", "tx_frames", "stellar_interface_sent_packets", "interface"),
    ("interfaces", "tx_bytes", "stellar_interface_sent_bytes", "interface"),
    ("interfaces", "tx_errors", "stellar_interface_failed_packets", "interface"),
    ("plugins", "calls", "stellar_plugin_calls", "plugin"),
    ("plugins", "errors", "stellar_plugin_errors", "plugin"),
    ("plugins", "detached", "stellar_plugin_detached_sessions", "plugin"),
    ("plugins", "takeovers", "stellar_plugin_takeovers", "plugin"),
    ("plugins", "timers_refused", "stellar_plugin_refused_timers", "plugin"),
    ("plugins", "reloads", "stellar_plugin_reloads", "plugin"),
    ("plugins", "migrated", "stellar_plugin_migrated_contexts", "plugin"),
)


def render_metrics(stats: Stats | None) -> bytes:
    """The text of one scrape; None: the engine does not answer."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StatsCollector(stats))
    return generate_latest(registry)


class _StatsCollector(Collector):
    """The metrics of one answer of the engine."""

    def __init__(self, stats: Stats | None) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        is_up = self._stats is not None
        yield GaugeMetricFamily("stellar_engine_up_gauge", "1: the engine answers", value=is_up)
        if self._stats is not None:
            yield from _metrics(self._stats)


def _metrics(stats: Stats) -> Iterator[Metric]:
    for path, name, sentence in _TOTALS:
        if (value := _at(stats, path)) is not None:
            yield CounterMetricFamily(name, sentence, value=value)
    for path, name, sentence in _LEVELS:
        if (value := _at(stats, path)) is not None:
            yield GaugeMetricFamily(name, sentence, value=value)
    for path, name, label, sentence in _TOTALS_BY_NAME:
        yield _counter(name, sentence, [label], _named(_at(stats, path)))
    for path, key, name, label in _TOTALS_BY_ENTRY:
        entries = _at(stats, path) or ()
        samples = (((entry["name"],), entry[key]) for entry in entries if key in entry)
        yield _counter(name, f"Each {label}'s {key}", [label], samples)
    yield _plugin_counters(_at(stats, "plugins") or ())


def _plugin_counters(plugins: Iterable[Stats]) -> Metric:
    samples = (
        ((plugin["name"], counter), value)
        for plugin in plugins
        for counter, value in plugin.get("counters", {}).items()
    )
    sentence = "Counters that plugins made"
    return _counter("stellar_plugin_counter", sentence, ["plugin", "counter"], samples)


def _counter(
    name: str,
    sentence: str,
    labels: list[str],
    samples: Iterable[tuple[tuple[str, ...], float]],
) -> Metric:
    family = CounterMetricFamily(name, sentence, labels=labels)
    for values, figure in samples:
        family.add_metric(values, figure)
    return family


def _named(figures: Stats | None) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, figure in (figures or {}).items():
        yield (name,), figure


def _at(stats: Stats, path: str) -> Any:
    place: Any = stats
    for step in path.split("."):
        if not isinstance(place, Mapping) or step not in place:
            return None
        place = place[step]
    return place
