# SPDX-License-Identifier: Apache-2.0
"""Reads, converts and writes annotated documents in all formats."""
