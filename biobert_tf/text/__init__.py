# SPDX-License-Identifier: Apache-2.0
"""Text: its words, sentences, WordPieces, windows and labels."""
