# SPDX-License-Identifier: Apache-2.0
"""What every folder uses: errors, files, settings, flags, programs."""
