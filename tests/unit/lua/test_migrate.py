# SPDX-License-Identifier: Apache-2.0
"""Contexts of a Lua plugin that a later version takes over."""

from pathlib import Path

import pytest

from stellar.engine import PluginError
from stellar.engine.plugins import describe_plugin

SOURCE = "return { name = 'a', version = '1', on = { session_packet = function() end }, FIELDS }"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("migrate = true", "context: expected one that migrate fills, found none"),
        ("context = { n = 'bool' }, migrate = false", "migrate: expected true or a function"),
        ("context = { n = 'bool' }, migrate = 1", "migrate: expected true or a function"),
    ],
)
def test_what_is_no_migration_is_refused(tmp_path: Path, fields: str, expected: str) -> None:
    path = tmp_path / "a.lua"
    path.write_text(SOURCE.replace("FIELDS", fields))

    with pytest.raises(PluginError, match=expected):
        describe_plugin(path)
