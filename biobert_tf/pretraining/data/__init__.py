# SPDX-License-Identifier: Apache-2.0
"""Corpora to TFRecords of masked pairs of sentences."""
