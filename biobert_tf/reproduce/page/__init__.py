# SPDX-License-Identifier: Apache-2.0
"""Shows the results of `biobert reproduce` as Markdown, CSV and one HTML page."""
