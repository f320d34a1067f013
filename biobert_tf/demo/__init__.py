# SPDX-License-Identifier: Apache-2.0
"""Demo runs of whole problems on small generated data sets, one command each."""
