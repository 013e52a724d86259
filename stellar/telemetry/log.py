# SPDX-License-Identifier: Apache-2.0
"""Logging of our processes: one `key=value` line an event, on standard error."""

import logging
import time

__all__ = ["quote", "start_logging"]


def start_logging(process: str) -> None:
    """Send the log of this process to standard error."""
    stream = logging.StreamHandler()
    layout = f"time=%(asctime)s.%(msecs)03dZ process={process} level=%(levelname)s %(message)s"
    formatter = logging.Formatter(layout, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    stream.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[stream], force=True)


def quote(value: object) -> str:
    """A value as one word of a log line."""
    text = " ".join(str(value).split())
    return text if text and text.isprintable() and not set(' "=') & set(text) else repr(text)
