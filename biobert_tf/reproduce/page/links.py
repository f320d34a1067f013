# SPDX-License-Identifier: Apache-2.0
"""Where the numbers of a page link to: places on the page, and folders of runs."""

import dataclasses
import urllib.parse
from pathlib import Path

from biobert_tf.reproduce.page.report import Report, Run, Table


@dataclasses.dataclass(frozen=True)
class Links:
    """The folders of runs that are there; a page has no dead links."""

    folders: frozenset[str]

    @classmethod
    def beside(cls, page: Path, report: Report) -> "Links":
        """Looks which folders of runs exist, seen from the folder of the page."""
        names = {run.folder for run in report.runs()}
        return cls(frozenset(name for name in names if name and (page / name).is_dir()))

    def to_run(self, run: Run) -> str:
        """Returns the URL of a run's folder, or ""."""
        if run.folder not in self.folders:
            return ""
        # Without ./ a name such as `javascript:x` would be a scheme.
        quoted = urllib.parse.quote(run.folder.rstrip("/"))
        return f"{quoted}/" if quoted.startswith("/") else f"./{quoted}/"


def table_id(table: Table) -> str:
    """Returns the id of a table's heading."""
    return f"table-{table.number}"


def row_id(table: Table, row: int) -> str:
    """Returns the id of a data set's heading; rows count from 0."""
    return f"table-{table.number}-{row + 1}"


def cell_id(table: Table, row: int, cell: int) -> str:
    """Returns the id of the heading of a model on a data set; both count from 0."""
    return f"{row_id(table, row)}-{cell + 1}"
