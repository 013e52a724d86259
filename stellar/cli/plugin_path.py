# SPDX-License-Identifier: Apache-2.0
"""Print where pkg-config finds stellar, for plugins in C.

PKG_CONFIG_PATH=$(stellar plugin path) meson setup build
"""

import argparse

from stellar.engine.plugins import PKG_CONFIG_PATH

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the folder."""
    print(PKG_CONFIG_PATH)
    return 0
