# SPDX-License-Identifier: Apache-2.0
"""The commands: flags to settings to a run."""
