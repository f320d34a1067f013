# SPDX-License-Identifier: Apache-2.0
"""Compiles our steps for TPUs on a machine without one: will a run fit?"""
