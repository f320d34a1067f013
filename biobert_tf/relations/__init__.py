# SPDX-License-Identifier: Apache-2.0
"""Relations in annotated text: candidate pairs, training files, official releases."""
