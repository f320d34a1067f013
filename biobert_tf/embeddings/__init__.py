# SPDX-License-Identifier: Apache-2.0
"""Embeddings: vectors of texts."""
