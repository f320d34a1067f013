# SPDX-License-Identifier: Apache-2.0
"""Question answering: from questions to answers."""
