# SPDX-License-Identifier: Apache-2.0
"""Runs the experiments of the paper's tables and reports them beside its numbers."""
