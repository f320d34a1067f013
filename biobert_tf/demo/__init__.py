# SPDX-License-Identifier: Apache-2.0
"""Small runs on generated text: one command shows a whole problem."""
