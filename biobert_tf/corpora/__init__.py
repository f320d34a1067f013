# SPDX-License-Identifier: Apache-2.0
"""Corpora: PubMed, PMC and text files, read as a stream of documents."""
