# SPDX-License-Identifier: Apache-2.0
"""The training loop: one Estimator on any tf.distribute strategy."""
