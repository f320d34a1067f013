# SPDX-License-Identifier: Apache-2.0
"""BioBERT in TensorFlow 2: faithful to Lee et al. 2020, mended where it broke."""

__version__ = "0.1.0"
