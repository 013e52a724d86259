# SPDX-License-Identifier: Apache-2.0
"""A Lua plugin in `stellar replay`: its failures are told, and it does what its port in C does."""

from pathlib import Path

import pytest

from stellar.cli.main import main
from stellar.engine.plugins import LIBRARY
from stellar.engine.replay import ReplayOptions, run

EXAMPLES = LIBRARY.parents[1] / "plugins" / "examples"


def test_first_failure_of_a_plugin_is_told(
    tmp_path: Path, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "broken.lua"
    plugin.write_text(
        'return { name = "broken", version = "1", on = {\n'
        'session_packet = function() error("no luck") end } }'
    )

    code = main(["replay", "--plugin", str(plugin), str(capture)])

    assert code == 0
    assert capsys.readouterr().err == f"{plugin}:2: no luck\n"


@pytest.mark.parametrize(
    ("example", "counter"), [("session_logger", "packets_tcp"), ("token_guard", "bytes")]
)
def test_example_in_lua_does_what_it_does_in_c_on_every_capture(
    tmp_path: Path, shared_captures: list[Path], example: str, counter: str
) -> None:
    results = [
        run(
            ReplayOptions(
                captures=shared_captures,
                plugins=[EXAMPLES / name],
                inline=True,
                events=str(tmp_path / f"{name}.json"),
            )
        )
        for name in (f"{example}.so", f"{example}.lua")
    ]

    in_c, in_lua = (result.stats["plugins"] for result in results)
    events_of_c = (tmp_path / f"{example}.so.json").read_bytes()
    assert in_c == in_lua
    assert in_c[0]["counters"][counter] > 0
    assert events_of_c == (tmp_path / f"{example}.lua.json").read_bytes()
