# SPDX-License-Identifier: Apache-2.0
"""Programs that measure; each is run as `python -m benchmarks.NAME`."""
