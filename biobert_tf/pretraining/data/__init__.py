# SPDX-License-Identifier: Apache-2.0
"""Converts corpora to TFRecord files of masked sentence pairs."""
