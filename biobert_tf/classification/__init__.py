# SPDX-License-Identifier: Apache-2.0
"""Classification: labels or a number for a text or a pair of texts."""
