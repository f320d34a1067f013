# SPDX-License-Identifier: Apache-2.0
"""Vectors of texts: of their pieces, of their words, or one of each text."""
