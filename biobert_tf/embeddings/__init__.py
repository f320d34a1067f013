# SPDX-License-Identifier: Apache-2.0
"""Embeddings: computes vectors of texts and writes them to files."""
