# SPDX-License-Identifier: Apache-2.0
"""`biobert reproduce`, the paper's tables in one command, and `biobert compare`."""
