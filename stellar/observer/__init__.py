# SPDX-License-Identifier: Apache-2.0
"""Closed sessions and chosen events in batches, in a process of their own; see README.md."""

from stellar.observer.client import Attachment, ObserverError, attach
from stellar.observer.ring import RECORD, Ring

__all__ = ["RECORD", "Attachment", "ObserverError", "Ring", "attach"]
