# SPDX-License-Identifier: Apache-2.0
"""Trained models as SavedModels: text in, entities, relations and answers out."""
