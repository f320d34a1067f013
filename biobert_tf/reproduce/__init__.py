# SPDX-License-Identifier: Apache-2.0
"""`biobert reproduce`: the experiments of the paper's tables, in one command."""
