# SPDX-License-Identifier: Apache-2.0
"""WordPiece vocabularies: learnt from text, extended, judged on text."""
