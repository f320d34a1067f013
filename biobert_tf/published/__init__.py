# SPDX-License-Identifier: Apache-2.0
"""What was published: data sets, checkpoints, the paper's numbers, reruns."""
