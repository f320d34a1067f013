# SPDX-License-Identifier: Apache-2.0
"""Named entity recognition: from words to entities."""
