# SPDX-License-Identifier: Apache-2.0
"""The commands: each turns its flags into settings and runs them."""
