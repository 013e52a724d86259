# SPDX-License-Identifier: Apache-2.0
"""The binding: names come from the headers, errors from one table, handles close once."""

import dataclasses
import errno
from pathlib import Path

import pytest

from stellar.engine import (
    Engine,
    EngineStateError,
    PluginError,
    PluginHandle,
    PolicyError,
    ResourceError,
    StellarError,
    limit_defaults,
    names,
    timeout_defaults,
)
from stellar.engine.config import EngineLimits, TargetProfile
from stellar.engine.plugins import LIBRARY, personality_plugin


def test_names_are_those_of_the_headers() -> None:
    known = names()

    assert known["drop_reason"][:3] == ["none", "policy_rule", "policy_default"]
    assert known["closing_reason"][-1] == "parent_closed"
    assert known["event"][0] == "session_opening"
    assert known["event"][-1] == "session_closing"
    assert set(known["raised_event"]) < set(known["event"])


def test_timeouts_have_the_defaults_of_the_header() -> None:
    assert timeout_defaults()["tcp_established_sec"] == 7440


def test_limits_have_the_defaults_of_the_header_and_of_the_configuration() -> None:
    assert limit_defaults() == dataclasses.asdict(EngineLimits())


def test_target_profiles_are_those_of_the_configuration() -> None:
    assert names()["target_profile"] == [profile.value for profile in TargetProfile]


@pytest.mark.parametrize(
    ("prefix", "length", "words"),
    [(b"\x0a\x00\x00\x00", 33, "found version 4, 33 bits"), (b"\x0a", 8, "found version 0")],
)
def test_target_out_of_range_is_refused(prefix: bytes, length: int, words: str) -> None:
    engine = Engine(session_capacity=64)

    with pytest.raises(StellarError, match=words):
        engine.add_target(prefix, length, "windows")

    engine.close()


def test_prefix_has_one_target_profile() -> None:
    engine = Engine(session_capacity=64)
    engine.add_target(b"\x0a\x00\x00\x01", 8, "windows")
    engine.add_target(b"\x0a\x00\x00\x01", 9, "linux")

    with pytest.raises(StellarError, match="has a profile already"):
        engine.add_target(b"\x0a\x00\x00\x02", 8, "linux")

    engine.close()


def test_closed_engine_refuses_calls_and_closes_again() -> None:
    engine = Engine(session_capacity=64)
    engine.close()
    engine.close()

    with pytest.raises(EngineStateError, match="the engine is closed"):
        engine.packet_stats()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"workers": 65}, "workers: expected 1 to 64, found 65"),
        ({"burst_size": 65}, "burst size: expected 1 to 64, found 65"),
        ({"session_capacity": 63}, "session capacity: expected 64 to"),
    ],
)
def test_configuration_out_of_range_is_refused(arguments: dict[str, int], words: str) -> None:
    with pytest.raises(StellarError, match=words) as caught:
        Engine(**arguments)  # type: ignore[arg-type]

    assert caught.value.errno == errno.EINVAL


def test_absent_interface_is_a_resource_error_that_names_it() -> None:
    engine = Engine(session_capacity=64)

    with pytest.raises(ResourceError, match="not-there0"):
        engine.add_interface("inside", "capture:not-there0")


def test_names_and_ends_of_a_wire_are_checked() -> None:
    engine = Engine(session_capacity=64)
    first = engine.add_interface("a", "memory:a")
    engine.add_interface("b", "memory:b")

    with pytest.raises(StellarError, match="interface a: is there already"):
        engine.add_interface("a", "memory:c")
    with pytest.raises(StellarError, match="can't be both ends"):
        engine.add_wire(first, first)
    engine.add_tap(first)
    with pytest.raises(EngineStateError, match="interface a: is in a wire or tap already"):
        engine.add_tap(first)


def test_policy_before_the_start_is_refused() -> None:
    engine = Engine(session_capacity=64)

    with pytest.raises(PolicyError, match="has not been started"):
        engine.apply_policy(b"x" * 24)
    with pytest.raises(PolicyError, match="found an empty file"):
        engine.apply_policy(b"")


def test_session_listing_of_an_engine_that_does_not_run_is_refused() -> None:
    engine = Engine(session_capacity=64)
    engine.add_tap(engine.add_interface("a", "memory:a"))
    engine.start()

    with pytest.raises(EngineStateError):
        engine.list_sessions(0, 0, 10)


def test_shared_object_that_is_no_plugin_is_refused(tmp_path: Path) -> None:
    engine = Engine(session_capacity=64)
    text = tmp_path / "text.so"
    text.write_text("no library")

    with pytest.raises(StellarError, match="libstellar.so: expected the symbol stellar_plugin"):
        engine.load_plugin(str(LIBRARY))
    with pytest.raises(StellarError, match=f"^{text}: file too short$"):
        engine.load_plugin(str(text))
    with pytest.raises(StellarError, match=f"^{tmp_path}/none.so: No such file or directory$"):
        engine.load_plugin(f"{tmp_path}/none.so")


def test_file_of_a_plugin_may_be_written_to_when_it_is_loaded(tmp_path: Path) -> None:
    engine = Engine(session_capacity=64)
    path = tmp_path / "firewall.so"
    path.write_bytes(personality_plugin("firewall").read_bytes())
    engine.load_plugin(str(path))
    size = path.stat().st_size

    with path.open("r+b") as file:
        file.write(bytes(size))
    engine.start()

    with pytest.raises(StellarError, match=f"^{path}: "):
        engine.reload_plugin("firewall", str(path))
    assert [stats["reloads"] for stats in engine.plugin_stats()] == [0]
    engine.close()


def test_plugin_handle_needs_known_events_and_an_entry() -> None:
    with pytest.raises(PluginError, match="there is no event nonsense"):
        PluginHandle(name="a", version="1", events=["nonsense"], entries=[{"entry": 1}])
    with pytest.raises(PluginError, match="has no entry function"):
        PluginHandle(name="a", version="1", events=[], entries=[])


def test_c_plugin_is_reloaded_from_a_copy_of_its_file() -> None:
    engine = Engine(session_capacity=64)
    path = str(personality_plugin("firewall"))
    engine.load_plugin(path)
    engine.start()

    engine.reload_plugin("firewall", path)

    [stats] = engine.plugin_stats()
    assert (stats["reloads"], stats["versions"]) == (1, 1)
    assert engine.collect_plugins() == 0
    with pytest.raises(PluginError, match="nobody: is not loaded"):
        engine.reload_plugin("nobody", path)
    engine.close()
