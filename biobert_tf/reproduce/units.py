# SPDX-License-Identifier: Apache-2.0
"""Reads what a finished run got right on its test, unit by unit.

A unit is a document where the data says which sentences are of one, else a sentence; of
question answering it is a question. What a run leaves tells the counts of each:

ner    predictions.jsonl        entities that are gold, predicted, and both
re     predictions.jsonl        relations that are gold, predicted, and both
qa     question_scores.jsonl    the scores of a question
classification
       predictions.jsonl        labels that are gold, predicted, and both, or numbers

A unit of classification is a text. Several labels are scored by document, where texts
are sentences of some, so the unit is then the document.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from biobert_tf.classification import multi_label, regression, single_label
from biobert_tf.classification import scores as text_scores
from biobert_tf.common import files, significance
from biobert_tf.common.counts import Measure, f1_precision_recall, ratios
from biobert_tf.common.errors import InputError
from biobert_tf.ner import word_scores
from biobert_tf.relations import sets
from biobert_tf.text.labels import DOCUMENT_START, chunks

RESULTS: Final = "results.json"
_PREDICTIONS: Final = "predictions.jsonl"
_QUESTIONS: Final = "question_scores.jsonl"

_COUNTED: Final = ("f1", "precision", "recall")
# BLUE's ids of pairs in a document, and those of the DDI corpus.
_IN_DOCUMENT: Final = re.compile(r"(.+?)\.(?:T\d+\.T\d+|s\d+\.p\d+)")
# With fewer, drawing documents says little.
_LEAST_DOCUMENTS: Final = 10
_WORDS: Final = {
    "ner": "sentences",
    "re": "sentences",
    "qa": "questions",
    "classification": "texts",
}
# What the lines of a classification hold: a number, several labels, or one.
_TARGETS: Final = ("value", "labels", "label")
_YESNO: Final = (
    "yesno_macro_f1",
    "yesno_accuracy",
    "yesno_f1_yes",
    "yesno_f1_no",
)


@dataclasses.dataclass(frozen=True)
class Item:
    """A sentence or a question of a test, and what a run got right in it.

    Attributes:
        line: Its 1-based line in the file of the run.
        key: What it is, with its gold answer: the same for all runs on one test.
        counts: The numbers that scores are made of.
        document: The document it is in; None if the data does not say so.
    """

    line: int
    key: Hashable
    counts: tuple[float, ...]
    document: Hashable = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A run's test.

    Attributes:
        path: The file that was read.
        task: The run's problem: `ner`, `re`, `qa` or `classification`.
        unit: `document`, `sentence`, `question` or `text`; documents are made of the
            others.
        names: The names of the scores, the main one first.
        measure: Makes the scores of sums of counts.
        items: The sentences or questions, in the order of the test.
        seed: The seed of the training.
        settings: All settings of the run by name.
    """

    path: Path
    task: str
    unit: str
    names: tuple[str, ...]
    measure: Measure
    items: Sequence[Item]
    seed: int
    settings: Mapping[str, Any]

    def table(self, unit: str) -> np.ndarray:
        """Returns the counts of all units, float64 `[units, columns]`.

        The unit is that of the outcome, or a sentence instead of a document.
        """
        rows = np.array([item.counts for item in self.items], np.float64)
        if unit != "document":
            return rows
        numbers: dict[Hashable, int] = {}
        places = [
            numbers.setdefault(item.document, len(numbers)) for item in self.items
        ]
        table = np.zeros((len(numbers), rows.shape[1]))
        np.add.at(table, places, rows)
        return table

    def require_same_test(self, other: "Outcome") -> None:
        """Checks that another run was scored on the same test.

        Raises:
            InputError: It was not; the message names the first difference.
        """
        advice = "; compare runs that predicted one test file"
        if self.task != other.task:
            problem = (
                f"is of `biobert {other.task}`, {self.path} of `biobert {self.task}`"
            )
            raise InputError.at(other.path, None, f"{problem}{advice}")
        if self.names != other.names:
            problem = f"has the scores {' '.join(other.names)}, {self.path} has "
            raise InputError.at(
                other.path, None, f"{problem}{' '.join(self.names)}{advice}"
            )
        if len(self.items) != len(other.items):
            raise InputError.at(
                other.path,
                None,
                f"{len(other.items)} {_WORDS[self.task]}, but {self.path} has "
                f"{len(self.items)}{advice}",
            )
        for mine, theirs in zip(self.items, other.items, strict=True):
            if mine.key != theirs.key:
                raise InputError.at(
                    other.path,
                    theirs.line,
                    f"is not what stands in {self.path}:{mine.line}, or has another "
                    f"gold answer{advice}",
                )


def parts_of(folder: Path) -> list[Path]:
    """Returns the folders of a run's tests: those of its folds, or its own.

    Raises:
        InputError: The run has not ended, or there is none.
    """
    folds = _results(folder).get("folds")
    return [folder / name for name in folds] if folds else [folder]


def read(folder: Path) -> Outcome:
    """Returns what the run in a folder got right on its test.

    Raises:
        InputError: The run has not ended, its test was not scored, or a file is
            missing, malformed or of another prediction.
    """
    results = _results(folder)
    task = results.get("task")
    readers: dict[object, Callable[[Path, Mapping[str, Any]], _Found]] = {
        "ner": _read_ner,
        "re": _read_re,
        "qa": _read_qa,
        "classification": _read_texts,
    }
    if task not in readers:
        problem = (
            "is not of run_ner.py, run_re.py, run_qa.py or biobert classification; "
            "want one of them"
        )
        raise InputError.at(folder / RESULTS, None, problem)
    scores = results.get("test", {}).get("scores")
    if not scores:
        problem = "has no scores of a test; predict a labelled test file"
        raise InputError.at(folder / RESULTS, None, problem)
    if not {"seed", "settings"} <= results.keys():
        problem = "lacks the seed or the settings, which a run writes; train again"
        raise InputError.at(folder / RESULTS, None, problem)
    name = _QUESTIONS if task == "qa" else _PREDICTIONS
    path = folder / name
    if not path.is_file():
        problem = "no such file; predict again with --do_train=false"
        raise InputError.at(path, None, problem)
    found = readers[task](path, results)
    outcome = Outcome(
        path=path,
        task=str(task),
        unit=found.unit,
        names=found.names,
        measure=found.measure,
        items=found.items,
        seed=results["seed"],
        settings=results["settings"],
    )
    values = found.measure(outcome.table(found.unit).sum(0)).tolist()
    for each, value in zip(found.names, values, strict=True):
        if abs(scores.get(each, value) - value) > found.tolerance:
            problem = (
                f"is not what {folder / RESULTS} was made of: {each} is {value:.4f} "
                f"here, {scores[each]:.4f} there; predict again with --do_train=false"
            )
            raise InputError.at(path, None, problem)
    return outcome


@dataclasses.dataclass(frozen=True)
class _Found:
    """The part of an `Outcome` that depends on the problem.

    Attributes:
        tolerance: How far its scores may be from those of the run.
    """

    items: Sequence[Item]
    unit: str
    names: tuple[str, ...] = _COUNTED
    measure: Measure = f1_precision_recall
    tolerance: float = 1e-9


def _results(folder: Path) -> Mapping[str, Any]:
    path = folder / RESULTS
    if not path.is_file():
        problem = "no such file; give the --output_dir of a run that has ended"
        raise InputError.at(path, None, problem)
    return files.read_json(path)


def _parsed(
    path: Path, parse: Callable[[int, dict[str, Any]], Item | None]
) -> list[Item]:
    """Returns the items of the lines of a file; a line may have none."""
    items = []
    lines = files.read_text(path).removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            item = parse(number, json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError):
            problem = "is not a line that a run wrote; predict again"
            raise InputError.at(path, number, problem) from None
        if item is not None:
            items.append(item)
    return items


def _unit_of(items: Sequence[Item], alone: str = "sentence") -> str:
    """Returns whether sentences are taken by document or alone."""
    documents = {item.document for item in items}
    is_known = None not in documents and len(documents) >= _LEAST_DOCUMENTS
    return "document" if is_known else alone


# --- problems ------------------------------------------------------------------------


def _read_ner(path: Path, results: Mapping[str, Any]) -> _Found:
    num_documents = 0
    pairs: list[word_scores.Pair] = []

    def parse(line: int, row: dict[str, Any]) -> Item | None:
        nonlocal num_documents
        words = tuple(row["words"])
        # `--compat=master` and `paper` predict the rows where a document begins.
        if words[0].startswith(DOCUMENT_START):
            num_documents += 1
            return None
        gold, found = set(chunks(row["gold"])), set(chunks(row["labels"]))
        pairs.append((row["gold"], row["labels"]))
        counts = (len(gold), len(found), len(gold & found))
        document = num_documents - 1 if num_documents else row.get("document")
        return Item(line, (words, frozenset(gold)), counts, document)

    items = _parsed(path, parse)
    types = word_scores.types_of(gold for gold, _ in pairs)
    rows = word_scores.table(pairs, types).tolist()
    items = [
        dataclasses.replace(item, counts=(*item.counts, *row))
        for item, row in zip(items, rows, strict=True)
    ]
    macro_f1 = word_scores.of_types(len(types))
    num_counted = len(_COUNTED)

    def measure(sums: np.ndarray) -> np.ndarray:
        entities = f1_precision_recall(sums[..., :num_counted])
        return np.concatenate([entities, macro_f1(sums[..., num_counted:])], -1)

    names = (*_COUNTED, word_scores.NAME)
    return _Found(items, _unit_of(items), names, measure)


def _read_re(path: Path, results: Mapping[str, Any]) -> _Found:
    name = results["settings"]["task_name"]
    known = sets.SETS.get(name) or sets.custom(
        results["labels"], results["settings"]["negative_label"]
    )

    def parse(line: int, row: dict[str, Any]) -> Item:
        gold, label = row["gold"], row["label"]
        is_gold, is_found = gold != known.negative, label != known.negative
        counts = (is_gold, is_found, is_gold and gold == label)
        match = _IN_DOCUMENT.fullmatch(row["id"])
        key = (row["id"], row["text"], gold)
        return Item(line, key, counts, match and match[1])

    items = _parsed(path, parse)
    return _Found(items, _unit_of(items))


def _read_qa(path: Path, results: Mapping[str, Any]) -> _Found:
    names: list[str] = []

    def parse(line: int, row: dict[str, Any]) -> Item:
        scores = {name: float(value) for name, value in row["scores"].items()}
        if not names:
            names.extend(scores)
        counts = (1.0, *(scores[name] for name in names))
        if names == ["yesno_accuracy"]:
            right = scores["yesno_accuracy"]
            is_yes = row["gold"] == "yes"
            counts = (1.0, right, right * is_yes, right * (not is_yes))
        return Item(line, (row["id"], json.dumps(row["gold"])), counts)

    items = _parsed(path, parse)
    if names == ["yesno_accuracy"]:
        return _Found(items, "question", _YESNO, _yesno)
    # What leads is what the field ranks by: the F1 of SQuAD and of lists, and the MRR.
    main = [name for name in names if name.endswith(("f1", "mrr"))]
    order = [*main, *(name for name in names if name not in main)]
    places = [names.index(name) for name in order]
    return _Found(
        items,
        "question",
        tuple(order),
        lambda sums: significance.means(sums)[..., places],
    )


def _yesno(sums: np.ndarray) -> np.ndarray:
    """Returns the scores `_YESNO` of numbers: all, right, right yes and right no."""
    number, right, *each = np.moveaxis(sums, -1, 0)
    # What is not right counts as the other answer, as in BioASQ's program.
    f1_yes, f1_no = (ratios(2 * one, 2 * one + number - right) for one in each)
    accuracy = ratios(right, number)
    return np.stack([(f1_yes + f1_no) / 2, accuracy, f1_yes, f1_no], -1)


# --- classification -------------------------------------------------------------------


def _read_texts(path: Path, results: Mapping[str, Any]) -> _Found:
    targets: list[str] = []
    golds: list[Any] = []
    founds: list[Any] = []

    def parse(line: int, row: dict[str, Any]) -> Item:
        target = next(x for x in _TARGETS if x in row)
        gold, found = row["gold"], row[target]
        if target == "value":
            gold, found = float(gold), float(found)
        targets.append(target)
        golds.append(gold)
        founds.append(found)
        key = (row["id"], row["text"], row.get("pair"), json.dumps(gold))
        return Item(line, key, (), row.get("group") or None)

    items = _parsed(path, parse)
    readers = {"value": _numbers, "labels": _label_sets, "label": _labels}
    try:
        [target] = {*targets}
        return readers[target](items, golds, founds, results)
    except (ValueError, LookupError, TypeError):
        problem = "is not what a run wrote; predict again with --do_train=false"
        raise InputError.at(path, None, problem) from None


def _with_counts(items: Sequence[Item], table: np.ndarray) -> list[Item]:
    """Returns items the counts of which are the rows of a table."""
    return [
        dataclasses.replace(item, counts=tuple(row))
        for item, row in zip(items, table.tolist(), strict=True)
    ]


def _labels(
    items: Sequence[Item], golds: Any, founds: Any, results: Mapping[str, Any]
) -> _Found:
    """Returns texts with one label each."""
    names = multi_label.all_labels(results["labels"], [[label] for label in golds])
    return _Found(
        _with_counts(items, single_label.counts(golds, founds, names)),
        _unit_of(items, "text"),
        text_scores.NAMES["single"],
        single_label.measure(names, results["settings"]["negative_label"] or None),
    )


def _label_sets(
    items: Sequence[Item], golds: Any, founds: Any, results: Mapping[str, Any]
) -> _Found:
    """Returns texts with several labels each, or the documents of the texts."""
    names = multi_label.all_labels(results["labels"], golds)
    has_documents = any(item.document for item in items)
    groups = [str(item.document or "") for item in items]
    numbers = multi_label.unit_numbers(groups if has_documents else None, len(items))
    table = multi_label.counts(
        *(
            multi_label.pooled(multi_label.indicators(each, names), numbers)
            for each in (golds, founds)
        )
    )
    parts: dict[int, list[Item]] = {}
    for item, number in zip(items, numbers.tolist(), strict=True):
        parts.setdefault(number, []).append(item)
    units = [
        Item(some[0].line, tuple(each.key for each in some), (), number)
        for number, some in parts.items()
    ]
    return _Found(
        _with_counts(units, table),
        "document" if has_documents else "text",
        text_scores.NAMES["multi"],
        multi_label.measure(len(names)),
    )


def _numbers(
    items: Sequence[Item], golds: Any, founds: Any, results: Mapping[str, Any]
) -> _Found:
    """Returns texts with a number each."""
    gold, found = np.array(golds, np.float64), np.array(founds, np.float64)
    # The file has six digits, by which a correlation of small differences varies.
    spread = max(float(found.std()), 1e-9)
    return _Found(
        _with_counts(items, regression.counts(gold, found)),
        _unit_of(items, "text"),
        # An error in the unit of the numbers has no place among shares.
        ("pearson",),
        lambda sums: regression.measure(sums)[..., :1],
        tolerance=2e-6 / spread + 1e-9,
    )
