# SPDX-License-Identifier: Apache-2.0
"""The paper's tables made anew, and runs compared."""
