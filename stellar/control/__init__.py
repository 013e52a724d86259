# SPDX-License-Identifier: Apache-2.0
"""The control plane: supervises the engine, applies policies, serves the API and the metrics."""
