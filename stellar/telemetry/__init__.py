# SPDX-License-Identifier: Apache-2.0
"""Turns the engine's figures into the formats that other systems read."""
