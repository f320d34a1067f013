# SPDX-License-Identifier: Apache-2.0
"""Pre-training data: documents of sentences in, TFRecords of masked pairs out."""
