# SPDX-License-Identifier: Apache-2.0
"""Classification of texts and of pairs of texts: labels, several labels, or a number."""
