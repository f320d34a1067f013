# SPDX-License-Identifier: Apache-2.0
"""Relation extraction: candidate pairs, training files, models, predictions."""
