# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the endpoint, one for the tests of a file."""

from collections.abc import Iterator

import pytest
from host import Host, missing_device


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    reason = missing_device()
    if reason:
        pytest.skip(reason)
    with Host() as host:
        yield host
