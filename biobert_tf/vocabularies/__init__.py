# SPDX-License-Identifier: Apache-2.0
"""WordPiece vocabularies: learns them from text, extends and evaluates them."""
