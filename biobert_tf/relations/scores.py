# SPDX-License-Identifier: Apache-2.0
"""Scores predicted relations, one label per sentence, with confidence intervals.

`evaluate` scores files as `re_eval.py` does, without its errors. It reads the answer
file as `run_re.py` reads it, quotes included, and a label's id does not depend on the
labels in the file. The original reads quotes as CSV quoting, so it joins rows that
training keeps apart. It numbers ChemProt's labels by those in the file, so if one is
missing or `false` is written `False`, it scores other labels than were predicted. It
crashes on binary data without a positive label.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from biobert_tf.common import files
from biobert_tf.common.counts import SampledScore, Score, estimate
from biobert_tf.common.errors import InputError
from biobert_tf.relations import reading
from biobert_tf.relations.sets import SETS, RelationSet
from biobert_tf.relations.settings import RelationFormat


@dataclasses.dataclass(frozen=True)
class RelationScores(SampledScore):
    """The score over all relations, with its parts and its intervals.

    Precision, recall and F1 are micro averages over all labels except the negative one:
    in a binary set the scores of its positive label, without a negative label the
    accuracy.

    Attributes:
        accuracy: The share of sentences with the right label, the negative one too.
        specificity: The recall of a binary set's negative label; None for other sets.
        macro_f1: Mean F1 over all labels except the negative one.
        by_label: The score of each label, the negative one too, in the order of the
            set; labels that only the gold data has come last, sorted.
        confusion: The number of sentences by gold and predicted label; zeros are left
            out.
    """

    num_examples: int
    accuracy: float
    specificity: float | None
    macro_f1: float
    by_label: Mapping[str, Score]
    confusion: Mapping[str, Mapping[str, int]]

    def to_dict(self) -> dict[str, object]:
        """Returns all fields by name, ready for JSON; no specificity if it is None."""
        binary = {} if self.specificity is None else {"specificity": self.specificity}
        return {
            **super().to_dict(),
            **binary,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "num_examples": self.num_examples,
            "by_label": {name: one.to_dict() for name, one in self.by_label.items()},
            "confusion": {gold: dict(row) for gold, row in self.confusion.items()},
        }


def score(
    gold: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    negative: str | None,
    *,
    seed: int,
    num_resamples: int = 1000,
) -> RelationScores:
    """Scores one predicted label per sentence.

    A gold label that is not in `labels`, such as one that only the test file has,
    cannot be predicted. It counts as a missed relation, and in the macro average as a
    label with an F1 of 0. `negative` means "no relation"; None if every label is a
    relation. Intervals come from `common.counts.estimate`, over sentences.

    Raises:
        ValueError: There is nothing to score, gold and predicted labels differ in
            number, or a predicted label or the negative one is not in `labels`.
    """
    if not gold or len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels, {len(predicted)} predicted")
    if unknown := (set(predicted) | {negative}) - {*labels, None}:
        raise ValueError(f"{unknown} not among the labels {tuple(labels)}")
    names = [*labels, *sorted(set(gold) - set(labels))]
    gold_ids, predicted_ids = (
        np.array([names.index(label) for label in column])
        for column in (gold, predicted)
    )
    is_relation = np.array([name != negative for name in names])
    is_correct = gold_ids == predicted_ids
    columns = (
        is_relation[gold_ids],
        is_relation[predicted_ids],
        is_relation[gold_ids] & is_correct,
    )
    confusion = np.zeros((len(names), len(names)), np.int64)  # [gold, predicted]
    np.add.at(confusion, (gold_ids, predicted_ids), 1)
    totals = (confusion.sum(1), confusion.sum(0), confusion.diagonal())
    by_label = {
        name: Score(*counts)
        for name, *counts in zip(names, *(t.tolist() for t in totals), strict=True)
    }
    has_specificity = negative is not None and len(labels) == 2
    cells: dict[str, dict[str, int]] = {}
    for i, j in np.argwhere(confusion).tolist():
        cells.setdefault(names[i], {})[names[j]] = int(confusion[i, j])
    return RelationScores(
        **vars(estimate(np.stack(columns, 1).astype(np.int64), seed, num_resamples)),
        num_examples=len(gold),
        accuracy=float(is_correct.mean()),
        specificity=by_label[negative].recall if has_specificity else None,
        macro_f1=float(
            np.mean([one.f1 for name, one in by_label.items() if name != negative])
        ),
        by_label=by_label,
        confusion=cells,
    )


def report(scores: RelationScores) -> str:
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
) -> RelationScores:
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
    return score(
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
