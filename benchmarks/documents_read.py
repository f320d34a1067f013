# SPDX-License-Identifier: Apache-2.0
r"""Counts what is read of a folder of annotated documents, and what is left out.

    python -m benchmarks.documents_read FOLDER

Prints a row for each file, and for each folder of BRAT, as a table of Markdown: the
documents, their mentions, those whose text is not what stands at their offsets, their
relations, those that are not understood, and what is left out by the kind of reason.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from biobert_tf.common.errors import InputError
from biobert_tf.documents import fields, formats

COLUMNS: Final = (
    *("file", "documents", "mentions", "differ", "relations", "not understood"),
    "left out",
)


def inputs(folder: Path) -> Iterator[Path]:
    """Yields the files of a folder and its subfolders; a folder of BRAT is one."""
    if any(folder.glob("*.ann")):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from inputs(path)
        else:
            yield path


def counts(path: Path) -> list[str]:
    """Returns the columns of an input after its name."""
    left_out: Counter[str] = Counter()

    def on_bad(error: InputError) -> None:
        left_out[fields.kind(error)] += 1

    try:
        given = formats.read(path, "auto", on_bad, bad_mentions="keep")
        documents = [loaded.document for loaded in given]
    except InputError as error:
        on_bad(error)
        documents = []
    numbers = [
        len(documents),
        sum(len(document.mentions) for document in documents),
        sum(len(document.bad_mentions) for document in documents),
        sum(len(document.relations) for document in documents),
        sum(document.num_unread for document in documents),
    ]
    reasons = ", ".join(f"{n} x {kind}" for kind, n in sorted(left_out.items()))
    return [*(f"{number:,}" for number in numbers), reasons]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for row in (COLUMNS, ["---", *["---:"] * 5, "---"]):
        print(f"| {' | '.join(row)} |")
    for path in inputs(folder):
        name = path.relative_to(folder).as_posix()
        print(f"| {' | '.join([name, *counts(path)])} |")


if __name__ == "__main__":
    main()
