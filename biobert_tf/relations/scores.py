# SPDX-License-Identifier: Apache-2.0
"""Prints the scores of relations, and scores files of their probabilities.

`evaluate` scores files as `re_eval.py` does, without its errors. It reads the answer
file as `run_re.py` reads it, quotes included, and a label's id does not depend on the
labels in the file. The original reads quotes as CSV quoting, so it joins rows that
training keeps apart. It numbers ChemProt's labels by those in the file, so if one is
missing or `false` is written `False`, it scores other labels than were predicted. It
crashes on binary data without a positive label.
"""

import math
from pathlib import Path
from typing import Final

from biobert_tf.common import files, single_label
from biobert_tf.common.errors import InputError
from biobert_tf.common.single_label import SingleLabelScores
from biobert_tf.relations import reading
from biobert_tf.relations.sets import SETS, RelationSet
from biobert_tf.relations.settings import RelationFormat


def report(scores: SingleLabelScores) -> str:
    """Returns the text that `re_eval.py` prints: three lines, four with specificity."""
    # PARITY(re_eval.py:25, 44): F1 is made of the ratios;
    # made of the counts, a value halfway between two printed ones may round otherwise.
    total = scores.precision + scores.recall
    f1 = 2 * scores.precision * scores.recall / total if total else 0.0
    values = {"f1 score": f1, "recall": scores.recall, "precision": scores.precision}
    if scores.specificity is not None:
        values["specificity"] = scores.specificity
    return "".join(f"{name:11} : {value:.2%}\n" for name, value in values.items())


# --- files of probabilities -----------------------------------------------------------

TASKS: Final = {"binary": SETS["gad"], "chemprot": SETS["chemprot"]}
"""The labels by value of `--task`, in the order of the probabilities."""


def evaluate(
    output_path: Path,
    answer_path: Path,
    task: str,
    data_format: RelationFormat = "auto",
) -> SingleLabelScores:
    """Scores predicted probabilities against the labels of a test file.

    The prediction is the most probable label, in a tie the first. For ChemProt the last
    column, `false`, may be missing, as in the original.

    Args:
        output_path: `test_results.tsv`: a row of tab-separated probabilities per
            sentence, one per label, no header.
        answer_path: The test file, with labels; their case does not matter.
        task: One of `TASKS`.
        data_format: The form of the test file; see `reading`.

    Raises:
        InputError: The task is unknown; a file is missing, empty or malformed; a value
            is not a finite number; a label is not of the task; or the two files differ
            in their number of rows. The message names the line.
    """
    if task not in TASKS:
        raise InputError(f"--task={task}: want {' or '.join(TASKS)}")
    relation_set = TASKS[task]
    rows = _read_probabilities(output_path, relation_set)
    examples = reading.read_examples(
        answer_path, data_format, relation_set, needs_labels=True
    )
    if len(rows) != len(examples):
        raise InputError.at(
            output_path,
            None,
            f"{len(rows)} rows of probabilities for the {len(examples)} sentences of "
            f"{answer_path}; want the test file that was predicted",
        )
    return single_label.score(
        [example.label or "" for example in examples],
        [relation_set.labels[row.index(max(row))] for row in rows],
        relation_set.labels,
        relation_set.negative,
        seed=0,
    )


def _read_probabilities(path: Path, relation_set: RelationSet) -> list[list[float]]:
    """Returns the values of every line that is not blank."""
    widths = [len(relation_set.labels)]
    if not relation_set.is_binary:
        # PARITY(re_eval.py:37, 44): ChemProt is accepted without the column of `false`.
        widths.append(len(relation_set.positives))
    rows: list[list[float]] = []
    for number, line in enumerate(files.read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) not in widths:
            raise InputError.at(
                path,
                number,
                f"{len(columns)} columns instead of {widths[0]}; want tab-separated "
                f"probabilities of {' '.join(relation_set.labels)}",
            )
        widths = [len(columns)]
        rows.append([_number(path, number, column) for column in columns])
    if not rows:
        raise InputError.at(path, 1, "empty; want a row of probabilities per sentence")
    return rows


def _number(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError.at(path, line, f"{text[:40]!r} is not a finite number")
    return value
