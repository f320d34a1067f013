# SPDX-License-Identifier: Apache-2.0
"""Pre-training: from corpora to a checkpoint."""
