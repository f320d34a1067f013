# SPDX-License-Identifier: Apache-2.0
"""BioASQ: its questions, its forms of answers, its scores."""
