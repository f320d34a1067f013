# SPDX-License-Identifier: Apache-2.0
"""How predictions are scored; NumPy and plain Python only."""
