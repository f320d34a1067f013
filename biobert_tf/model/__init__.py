# SPDX-License-Identifier: Apache-2.0
"""The network: sizes, encoder, heads."""
