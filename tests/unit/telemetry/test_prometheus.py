# SPDX-License-Identifier: Apache-2.0
"""A scrape shows what the engine counted, under names that Prometheus accepts."""

import re

from prometheus_client.parser import text_string_to_metric_families

from stellar.telemetry.prometheus import render_metrics


def samples_of(stats):
    families = text_string_to_metric_families(render_metrics(stats).decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_absent_engine_is_down_and_has_no_figures():
    assert samples_of(None) == {("stellar_engine_up_gauge",): 0.0}


def test_counters_carry_the_engines_figures(engine_stats):
    samples = samples_of(engine_stats)

    assert samples[("stellar_engine_up_gauge",)] == 1
    assert samples[("stellar_received_packets_total",)] == 10
    assert samples[("stellar_forwarded_packets_total",)] == 7
    assert samples[("stellar_held_packets_gauge",)] == 1
    assert samples[("stellar_active_sessions_gauge",)] == 2
    assert samples[("stellar_policy_generation_gauge",)] == 0


def test_each_drop_reason_has_its_own_counter(engine_stats):
    samples = samples_of(engine_stats)

    assert samples[("stellar_dropped_packets_total", "policy_rule")] == 3
    assert samples[("stellar_dropped_packets_total", "malformed")] == 0


def test_closing_reasons_events_interfaces_and_plugins_are_labelled(engine_stats):
    samples = samples_of(engine_stats)

    assert samples[("stellar_closed_sessions_total", "timeout")] == 1
    assert samples[("stellar_raised_events_total", "session_opening")] == 4
    assert samples[("stellar_decode_events_total", "ipv4_fragment")] == 2
    assert samples[("stellar_interface_received_packets_total", "inside")] == 10
    assert samples[("stellar_plugin_calls_total", "firewall")] == 9


def test_plugin_counters_name_plugin_and_counter(engine_stats):
    engine_stats["plugins"][0]["counters"] = {"rule allow-web": 12}

    samples = samples_of(engine_stats)

    assert samples[("stellar_plugin_counter_total", "rule allow-web", "firewall")] == 12


def test_names_follow_the_style(engine_stats):
    for name, *_ in samples_of(engine_stats):
        assert re.fullmatch(r"stellar_[a-z_]+_(total|gauge)", name), name


def test_figure_the_engine_does_not_give_has_no_sample():
    assert samples_of({"packets": {"received": 1}}) == {
        ("stellar_engine_up_gauge",): 1,
        ("stellar_received_packets_total",): 1,
    }
