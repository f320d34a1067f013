# SPDX-License-Identifier: Apache-2.0
"""Removes the types of the labels of words: `B-Disease` becomes `B`.

Made so, four sets of cambridgeltl/MTL-Bioinformatics-2016 are byte for byte those that
the authors of BioBERT give: NCBI-disease, BC5CDR-disease, BC5CDR-chem and BC2GM.
"""

import re
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

_ROW: Final = re.compile(r"([^\t]+)\t([BIO])(?:-[^\t]+)?")


def convert(source: Path, target: Path) -> None:
    """Writes the rows of a file with the first letter of their labels.

    Rows are a word and its label, with a tab between them. Empty lines stay.

    Raises:
        InputError: The source cannot be read, or a row is not of this form; the message
            names the line.
    """
    lines = files.read_verbatim(source).split("\n")
    for i, line in enumerate(lines):
        if line:
            row = _ROW.fullmatch(line)
            if row is None:
                raise InputError.at(
                    source, i + 1, "want a word, a tab, and O, B-TYPE or I-TYPE"
                )
            lines[i] = f"{row[1]}\t{row[2]}"
    files.write_text(target, "\n".join(lines))
