# SPDX-License-Identifier: Apache-2.0
"""The BERT network: its sizes, the encoder, and the heads of the tasks."""
