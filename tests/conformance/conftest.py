# SPDX-License-Identifier: Apache-2.0
"""What the cases share: plugins are made once."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugins are."""
    return tmp_path_factory.mktemp("plugins")
