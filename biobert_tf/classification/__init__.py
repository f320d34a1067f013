# SPDX-License-Identifier: Apache-2.0
"""Classification of texts and pairs of texts: a label, several labels, or a number."""
