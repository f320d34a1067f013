# SPDX-License-Identifier: Apache-2.0
"""Writes the pages of a report beside each other."""

from pathlib import Path

from biobert_tf.common import files
from biobert_tf.reproduce.page import content, csv_form, html_form, markdown
from biobert_tf.reproduce.page import links as page_links
from biobert_tf.reproduce.page import report as page_report


def write(source: files.JsonSource, folder: Path) -> list[Path]:
    """Writes report.md, report.csv and report.html; returns their paths.

    The source is what report.json says, or that file. Numbers link to those folders of
    runs that exist, seen from `folder`. Nothing is written before all is ready.

    Raises:
        InputError: The source is no report, or the folder cannot be written.
    """
    report = page_report.read(source)
    parts = list(content.page(report, page_links.Links.beside(folder, report)))
    pages = {
        "report.md": markdown.text(parts),
        "report.csv": csv_form.text(report),
        "report.html": html_form.text(report.title, parts),
    }
    for name, text in pages.items():
        files.write_text(folder / name, text)
    return [folder / name for name in pages]
