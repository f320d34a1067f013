# SPDX-License-Identifier: Apache-2.0
r"""The layouts of published sets: their files, columns and labels.

hoc         header `labels`, `sentence`, `index`; labels `0_1,1_0,...,9_0`, index
            `PMID_sN`: the sentences of a PMID are one document (BLUE, BLURB)
biosses     header `pair_id`, `sent1`, `sent2`, `score` (BLURB)
medsts      the last three columns are two sentences and a score, the first of more an
            id; with a header in BLUE, which has BIOSSES like this too, without one as
            the shared task published it
mednli      JSON lines with `sentence1`, `sentence2`, `gold_label`, `pairID`; a
            `gold_label` of `-`, as in SNLI, means that people disagreed
pubmedqa    see `pubmedqa`
blurb_yesno `id`, `question`, `context`, yes or no, without a header (BLURB's BioASQ)
table       TSV or CSV of any other columns
jsonl       one JSON object per line, with the names of a header as keys
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from biobert_tf.classification import pubmedqa
from biobert_tf.classification.examples import Target
from biobert_tf.classification.settings import Header
from biobert_tf.common.errors import InputError

HALLMARKS: Final = (
    "activating invasion and metastasis",
    "avoiding immune destruction",
    "cellular energetics",
    "enabling replicative immortality",
    "evading growth suppressors",
    "genomic instability and mutation",
    "inducing angiogenesis",
    "resisting cell death",
    "sustaining proliferative signaling",
    "tumor promoting inflammation",
)
"""The labels of HoC, in the order of its numbers."""
MEDNLI: Final = ("sentence1", "sentence2", "gold_label")
_FLAGS: Final = re.compile(",".join(f"{i}_[01]" for i in range(len(HALLMARKS))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """What is known of files from their layout.

    Attributes:
        target: What is learned; None if the user says it.
        labels: The labels, in the order of their ids; empty for a number, None if the
            user or the training file tells them.
        has_pairs: Whether there is a second text; None if the file tells it.
        has_groups: Whether texts are sentences of documents; None if the user says it.
        is_json: Whether a line is a JSON object.
        header: Whether a table names its columns.
        file_names: What files are called beside `train.tsv` and so on; `{}` stands for
            the split.
    """

    target: Target | None = None
    labels: tuple[str, ...] | None = None
    has_pairs: bool | None = None
    has_groups: bool | None = False
    is_json: bool = False
    header: Header = "auto"
    file_names: tuple[str, ...] = ()


LAYOUTS: Final[Mapping[str, Layout]] = {
    "table": Layout(has_groups=None),
    "jsonl": Layout(has_groups=None, is_json=True),
    "hoc": Layout(
        target="multi",
        labels=HALLMARKS,
        has_pairs=False,
        has_groups=True,
        header="yes",
    ),
    "biosses": Layout(target="regression", labels=(), has_pairs=True, header="yes"),
    "medsts": Layout(target="regression", labels=(), has_pairs=True),
    "mednli": Layout(
        target="single",
        labels=("contradiction", "entailment", "neutral"),
        has_pairs=True,
        is_json=True,
        file_names=("mli_{}_v1.jsonl",),
    ),
    "pubmedqa": Layout(
        target="single",
        labels=pubmedqa.LABELS,
        has_pairs=True,
        file_names=("{}_set.json", "{}.json", pubmedqa.WHOLE),
    ),
    "blurb_yesno": Layout(
        target="single", labels=("no", "yes"), has_pairs=True, header="no"
    ),
}
_TABLES: Final = (".tsv", ".csv", ".txt")
_OBJECTS: Final = (".jsonl", ".json", ".txt")


def names_of(split: str, layout: str) -> list[str]:
    """Returns what the file of a split may be called; `auto` is for every layout."""
    if layout == "auto":
        return [f"{split}{suffix}" for suffix in dict.fromkeys((*_TABLES, *_OBJECTS))]
    suffixes = _OBJECTS if LAYOUTS[layout].is_json else _TABLES
    usual = [] if layout == "pubmedqa" else [f"{split}{suffix}" for suffix in suffixes]
    return usual + [name.format(split) for name in LAYOUTS[layout].file_names]


def find(data_dir: Path, split: str, layout: str) -> Path | None:
    """Returns the file of a split, if there is one.

    Of PubMedQA's files, that of the split comes first.

    Raises:
        InputError: More than one file may be it.
    """
    asked = LAYOUTS if layout == "auto" else (layout,)
    names = names_of(split, layout)
    for each in asked:
        names += names_of(split, each)
    held = [name for name in dict.fromkeys(names) if (data_dir / name).is_file()]
    of_questions = names_of(split, "pubmedqa")
    if len(held) > 1 and {*held} <= {*of_questions}:
        held.sort(key=of_questions.index)
    elif len(held) > 1:
        raise InputError.at(
            data_dir,
            None,
            f"{held[0]} and {held[1]} may both be the {split} set; say which with "
            "--layout, or move one away",
        )
    return data_dir / held[0] if held else None


# --- what stands in a file ------------------------------------------------------------


def delimiter_of(path: Path, first: str) -> str:
    """Returns what stands between the columns: a comma in a `.csv` without tabs."""
    return "," if path.suffix.lower() == ".csv" and "\t" not in first else "\t"


def number(text: str) -> float | None:
    """Returns the finite number that a text is, else None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def hallmarks(cell: str) -> tuple[str, ...] | None:
    """Returns the labels of a cell of HoC: `0_1,1_0,...`; None if it is malformed."""
    if not _FLAGS.fullmatch(cell):
        return None
    flags = cell.split(",")
    pairs = zip(HALLMARKS, flags, strict=True)
    return tuple(name for name, flag in pairs if flag.endswith("_1"))
