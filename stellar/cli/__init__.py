# SPDX-License-Identifier: Apache-2.0
"""The `stellar` command: one thin module per verb."""
