# SPDX-License-Identifier: Apache-2.0
"""BioASQ's questions: from its files to training and test files."""
