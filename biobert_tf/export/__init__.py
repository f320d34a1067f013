# SPDX-License-Identifier: Apache-2.0
"""Exports trained models as SavedModels that take text and return structured output."""
