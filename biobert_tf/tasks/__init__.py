# SPDX-License-Identifier: Apache-2.0
"""One file per task, read top to bottom in data order."""
