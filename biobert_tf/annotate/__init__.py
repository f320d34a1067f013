# SPDX-License-Identifier: Apache-2.0
"""Annotated documents: PubTator, BioC, BRAT and JSONL, read and written back."""
