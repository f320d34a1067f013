# SPDX-License-Identifier: Apache-2.0
"""Cuts text into words, sentences, WordPieces and windows; reads IOB labels."""
