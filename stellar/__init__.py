# SPDX-License-Identifier: Apache-2.0
"""Stellar: a platform for stateful network functions, and the appliance that runs them."""

__version__ = "0.1.0"
