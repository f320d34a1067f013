# SPDX-License-Identifier: Apache-2.0
"""Reads corpora (PubMed, PMC and text files) as a stream of documents."""
