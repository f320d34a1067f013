# SPDX-License-Identifier: Apache-2.0
"""Annotated documents: formats, offsets, folders of them."""
