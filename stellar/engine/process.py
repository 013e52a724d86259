# SPDX-License-Identifier: Apache-2.0
"""The engine process of an appliance: `python -m stellar.engine.process --config FILE`.

Builds the engine from the configuration, takes up the policy it kept, runs each worker on a thread
of its own without the GIL, and answers calls on `engine.sock` from its main thread. It needs no
control daemon: stopping that one stops no packet. Exits 0 when it was asked to stop, 1 when it
could not start or a worker ended by itself, 2 for a wrong configuration, 70 when the watchdog found
a worker that does not come back.
"""

import argparse
import dataclasses
import ipaddress
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from stellar.engine import Engine, PolicyError, StellarError
from stellar.engine.calls import Calls
from stellar.engine.config import ApplianceConfig, ConfigError, FailAction, load_config
from stellar.engine.faults import Faults
from stellar.engine.plugins import personality_plugin
from stellar.engine.recording import begin_run, describe_run
from stellar.engine.reload import Plugins
from stellar.engine.server import CallServer
from stellar.telemetry.log import quote, start_logging

__all__ = ["build_engine", "main"]

_log = logging.getLogger(__name__)
_START_POLL_SEC = 0.001


def build_engine(config: ApplianceConfig) -> tuple[Engine, Plugins]:
    """An engine with the interfaces, wires, plugins and outputs of the configuration, started."""
    engine = Engine(**_settings(config))
    for target in config.engine.targets:
        network = ipaddress.ip_network(target.prefix)
        engine.add_target(network.network_address.packed, network.prefixlen, target.profile.value)
    _add_topology(engine, config)
    plugins = Plugins(engine, config.engine.workers)
    plugins.add(personality_plugin(config.personality.value), {})
    for plugin in config.plugins:
        plugins.add(plugin.path, plugin.settings)
    config.events.path.parent.mkdir(parents=True, exist_ok=True)
    engine.set_event_output(str(config.events.path), [each.value for each in config.events.types])
    for directory in config.session_directories:
        engine.add_session_directory(str(directory))
    disabled = _find_faulty_plugins(engine, config)
    run = begin_run(config.record.directory) if config.record.enabled else None
    if run is not None:
        engine.set_recording(str(run), config.record.size_bytes, config.record.seconds)
        plugins.run = run
    engine.start()
    if run is not None:
        _describe_run(run, engine, config, plugins)
    for name in disabled:
        _disable(engine, name)
    if engine.resume_line:
        _log.info("sessions=%s", quote(engine.resume_line))
    return engine, plugins


def _settings(config: ApplianceConfig) -> dict[str, Any]:
    """How the engine is made: what `Engine` takes."""
    session = config.engine.session
    return {
        "workers": config.engine.workers,
        "session_capacity": session.capacity,
        "full_action": session.full_action.value,
        "verify_checksums": config.engine.verify_checksums,
        "inline": bool(config.wires),
        "pass_malformed": config.engine.pass_malformed,
        "timeouts": dataclasses.asdict(session.timeout),
        "midstream": session.midstream,
        "asymmetric": session.asymmetric,
        "urgent_inline": session.urgent_inline,
        "limits": dataclasses.asdict(config.engine.limit),
        "target_profile": config.engine.target_profile.value,
        "tunnel_parents": config.engine.tunnel_parents,
    }


def _describe_run(run: Path, engine: Engine, config: ApplianceConfig, plugins: Plugins) -> None:
    """Keep beside the recording what its replay needs."""
    ids = {name: position for position, name in enumerate(config.interface_names)}
    targets = [(ipaddress.ip_network(each.prefix), each.profile) for each in config.engine.targets]
    describe_run(
        run,
        engine,
        settings=_settings(config),
        topology={
            "targets": [
                (network.network_address.packed.hex(), network.prefixlen, profile.value)
                for network, profile in targets
            ],
            "wires": [
                (ids[wire.between[0]], ids[wire.between[1]], wire.pass_non_ip)
                for wire in config.wires
            ],
            "taps": [ids[tap.interface] for tap in config.taps],
        },
        plugins=plugins.files(),
        event_types=[each.value for each in config.events.types],
    )
    _log.info("recording=%s", run)


def _add_topology(engine: Engine, config: ApplianceConfig) -> None:
    ids = {
        interface.name: engine.add_interface(
            interface.name, _device_uri(config, interface.name, interface.device)
        )
        for interface in config.interfaces
    }
    for wire in config.wires:
        first, second = wire.between
        engine.add_wire(ids[first], ids[second], pass_non_ip=wire.pass_non_ip)
    for tap in config.taps:
        engine.add_tap(ids[tap.interface])


def _find_faulty_plugins(engine: Engine, config: ApplianceConfig) -> list[str]:
    """Note in which plugin the last engine died, and say which are not to be called any more."""
    faults = Faults(config.state_directory / "faults.json")
    blamed = engine.set_mark_file(str(config.state_directory / "marks"))
    if blamed is not None:
        name, is_stuck = blamed
        faults.add(name, is_stuck=is_stuck)
        fault = "did_not_return" if is_stuck else "crashed"
        _log.error("plugin=%s fault=%s count=%d", name, fault, faults.count(name))
    return faults.repeated()


def _disable(engine: Engine, name: str) -> None:
    try:
        engine.disable_plugin(name)
    except StellarError:
        return  # not loaded any more
    _log.error("plugin=%s disabled=yes reason=%s", name, quote("it ended the engine repeatedly"))


def _device_uri(config: ApplianceConfig, name: str, device: str) -> str:
    """The device of an interface, with what its wire says about failing (xdp: alone carries it)."""
    devices = {interface.name: interface.device for interface in config.interfaces}
    for wire in config.wires:
        if name not in wire.between or not device.startswith("xdp:"):
            continue
        other = wire.between[1 - wire.between.index(name)]
        options = [f"fail={wire.fail.value}"]
        if wire.fail is FailAction.OPEN and devices[other].startswith("xdp:"):
            options.append(f"peer={devices[other].removeprefix('xdp:').partition('?')[0]}")
        return device + ("&" if "?" in device else "?") + "&".join(options)
    return device


def _restore_policy(engine: Engine, image: Path) -> None:
    """Apply the policy that was in force; a damaged one is said and left to control."""
    if not image.exists():
        return
    try:
        engine.apply_policy(image.read_bytes())
    except (PolicyError, OSError) as error:
        _log.error("policy=refused path=%s error=%s", image, quote(error))
    else:
        _log.info("policy=restored generation=%d", engine.policy_generation)


def _reopen_events(engine: Engine) -> None:
    try:
        engine.reopen_events()
    except StellarError as error:
        _log.error("events=kept error=%s", quote(error))


def _run_worker(engine: Engine, worker: int, cpu: int, server: CallServer) -> None:
    if not engine.run_worker(worker, cpu):
        problems = [engine.interface_error(i) for i in range(len(engine.interface_stats()))]
        _log.error("worker=%d error=%s", worker, quote("; ".join(filter(None, problems))))
    server.worker_ended()


def _serve(engine: Engine, plugins: Plugins, config: ApplianceConfig) -> int:
    """Run the workers until someone asks to stop; returns the exit code."""
    server = CallServer(config.engine_socket, Calls(engine, plugins, config), plugins.collect)
    cpus = config.engine.cpus
    threads = [
        threading.Thread(
            target=_run_worker,
            args=(engine, i, cpus[i] if i < len(cpus) else -1, server),
            name=f"worker-{i}",
        )
        for i in range(config.engine.workers)
    ]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    signal.signal(signal.SIGHUP, lambda *_: _reopen_events(engine))
    for thread in threads:
        thread.start()
    if config.engine.watchdog_ms > 0:
        engine.start_watchdog(config.engine.watchdog_ms)
    # Whoever is answered finds workers that work.
    while engine.running_workers < len(threads) and all(thread.is_alive() for thread in threads):
        time.sleep(_START_POLL_SEC)
    _log.info("engine=running workers=%d generation=%d", len(threads), engine.policy_generation)
    asked = server.run()
    engine.stop()
    for thread in threads:
        thread.join()
    engine.close()
    _log.info("engine=stopped asked=%s", asked)
    return 0 if asked else 1


def _with_record(config: ApplianceConfig, arguments: argparse.Namespace) -> ApplianceConfig:
    """The configuration with what the command line says of recording."""
    if arguments.record is None:
        return config
    if config.engine.workers != 1:
        raise ConfigError([f"--record: expected engine.workers 1, found {config.engine.workers}"])
    record = dataclasses.replace(config.record, enabled=True, directory=arguments.record)
    if arguments.record_size is not None:
        record = dataclasses.replace(record, size_bytes=arguments.record_size)
    if arguments.record_seconds is not None:
        record = dataclasses.replace(record, seconds=arguments.record_seconds)
    return dataclasses.replace(config, record=record)


def main() -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="stellar.engine.process", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--record", type=Path, help="record into a directory of it")
    parser.add_argument("--record-size", type=int, help="bytes of one run")
    parser.add_argument("--record-seconds", type=int, help="of one run")
    arguments = parser.parse_args()
    start_logging("engine")
    try:
        config = _with_record(load_config(arguments.config), arguments)
        for directory in (config.runtime_directory, config.state_directory):
            directory.mkdir(parents=True, exist_ok=True)
        engine, plugins = build_engine(config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (StellarError, OSError) as error:
        print(f"stellar engine: {error}", file=sys.stderr)
        return 1
    _restore_policy(engine, config.policy_image)
    return _serve(engine, plugins, config)


if __name__ == "__main__":
    sys.exit(main())
