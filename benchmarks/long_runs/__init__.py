# SPDX-License-Identifier: Apache-2.0
"""Measures whether memory, threads and open files grow while commands run for long."""
