# SPDX-License-Identifier: Apache-2.0
"""The ten official BioASQ scores of exact answers (task b, phase B).

They are those of `evaluation.EvaluatorTask1b -phaseB -e <edition>` of
BioASQ/Evaluation-Measures at commit 8c8e689, the Java program that is named in the
PARITY comments here:

* yes/no: the accuracy, and the F1 of each of the two answers;
* factoid: whether the first answer is right (strict accuracy), whether any is
  (lenient accuracy), and the mean of 1 / rank of the first that is right (MRR);
* list: the mean over questions of precision, recall and F1 of the items.

Two answers are the same if they are equal after lower-casing, spaces included.
Neither the answers to a factoid question nor the items of a list are cut at some
number: a right answer at rank 6 counts for the lenient accuracy, and 1/6 for the MRR.
"""

import dataclasses
import functools
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.files import JsonSource
from biobert_tf.qa.bioasq.answers import (
    FLAT,
    TOLERANT,
    TYPES,
    Answer,
    Gold,
    Names,
    read_gold,
    read_submission,
)
from biobert_tf.qa.question_scores import QuestionScores

Row = tuple[float, float, float]
"""The three scores of a question: whether gold is yes, whether the answer is right, and
nothing; strict, lenient and reciprocal rank; or precision, recall and F1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BioAsqScores:
    """The ten official numbers, what they are averages of, what went unanswered.

    The ten numbers are those that the module's text defines, in [0, 1];
    `yesno_macro_f1` is the mean of the F1s of yes and no. The score of a type of which
    there is no question is 0, as in the official program. `num_yesno` and so on count
    the questions averaged over.

    Attributes:
        missing: Ids of gold questions that are not in the submission.
        unanswered: Ids of questions in the submission that have nothing to score:
            no item, or neither yes nor no. They count as wrong.
        left_out: Ids of gold questions that are in no average; see `evaluate`.
        unknown: Submitted ids that the gold does not have. They are ignored.
        questions: The scores of every question that is averaged over.
    """

    yesno_accuracy: float
    factoid_strict_accuracy: float
    factoid_lenient_accuracy: float
    factoid_mrr: float
    list_precision: float
    list_recall: float
    list_f1: float
    yesno_macro_f1: float
    yesno_f1_yes: float
    yesno_f1_no: float
    num_yesno: int
    num_factoid: int
    num_list: int
    missing: Names
    unanswered: Names
    left_out: Names
    unknown: Names
    questions: tuple[QuestionScores, ...]

    def measures(self) -> tuple[float, ...]:
        """Returns the ten numbers in the order the official program prints them."""
        return tuple(getattr(self, name) for name in MEASURES)

    def to_dict(self) -> dict[str, object]:
        """Returns everything but `questions` by name, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
            if name != "questions"
        }

    @property
    def warnings(self) -> Names:
        """What a reader of the scores should know, one line each."""
        missing, left_out = set(self.missing), set(self.left_out)
        wrong = [name for name in self.missing if name not in left_out]
        skipped = [name for name in self.missing if name in left_out]
        no_gold = [name for name in self.left_out if name not in missing]
        facts: dict[str, Sequence[str]] = {
            "not in the submission, counted as wrong": wrong,
            "not in the submission, left out": skipped,
            "without an answer in the gold, left out": no_gold,
            "submitted without an answer, counted as wrong": self.unanswered,
            "not in the gold, ignored": self.unknown,
        }
        return tuple(
            f"{len(ids)} question(s) {fact}; the first is {ids[0]}"
            for fact, ids in facts.items()
            if ids
        )


MEASURES: Final = tuple(
    field.name for field in dataclasses.fields(BioAsqScores) if field.type is float
)


def evaluate(
    golden: JsonSource,
    submission: JsonSource,
    edition: int = 5,
    *,
    types: Collection[str] = TYPES,
    skip_missing: bool | None = None,
) -> BioAsqScores:
    """Scores a submission as the official program does, and where it dies.

    A gold question that is not in the submission, on which the official program dies
    up to edition 8, counts as wrong, so that nothing is gained by leaving questions
    out. From edition 9 it is left out of the averages, as is a gold question without
    an exact answer. Of two submitted answers to a question the first counts.

    Args:
        golden: Questions in BioASQ's form, or a file of them: `{"questions": [{"id",
            "type", "exact_answer"}, ...]}`. Those of the type summary are passed over.
        submission: The answers, in the same form; their type is not looked at.
        edition: The edition of the challenge whose rules apply, one of
            `answers.EDITIONS`. BioBERT is evaluated with 5. Editions 5, 8 and 9 differ
            only as said above; 3 also lets a submitted answer have synonyms, and 2
            reads the answers to a factoid question from a flat list.
        types: Score only gold questions of these types and pass over the others.
        skip_missing: Whether to leave missing questions out of the averages, as a
            second official program does for every edition; None: from edition 9.

    Raises:
        InputError: The questions are not in BioASQ's form, a file cannot be read (it
            is named), or there is no such edition.
    """
    return pooled(
        [(golden, submission)], edition, types=types, skip_missing=skip_missing
    )


def pooled(
    batches: Iterable[tuple[JsonSource, JsonSource]],
    edition: int = 5,
    *,
    types: Collection[str] = TYPES,
    skip_missing: bool | None = None,
) -> BioAsqScores:
    """Scores several batches, such as the five of a year, as if they were one.

    Every number is the mean over the questions of all batches together, as in the table
    of the paper (its scores are whole numbers of the 161 factoid questions of 4b and of
    the 150 of 5b). The mean of the scores of the batches is another number.

    Args:
        batches: Gold and submission of each; see `evaluate` for the rest, and errors.
        edition: The edition of the challenge whose rules apply.
        types: The types of questions to score.
        skip_missing: Whether to leave missing questions out.
    """
    if skip_missing is None:
        skip_missing = edition >= TOLERANT
    rows: dict[str, list[Row]] = {type_: [] for type_ in TYPES}
    questions = []
    ids: dict[str, list[str]] = {
        name: [] for name in ("missing", "unanswered", "left_out", "unknown")
    }
    for golden, submission in batches:
        golds = _golds(golden, edition)
        read = functools.partial(read_submission, edition=edition)
        answers = files.parse_json(submission, read)
        known = {gold.id for gold in golds}
        ids["unknown"] += [name for name in answers if name not in known]
        for gold in golds:
            if gold.type not in types or gold.type not in TYPES:
                continue
            answer = answers.get(gold.id)
            if answer is None:
                ids["missing"].append(gold.id)
            elif not answer.has_content(gold.type, edition):
                ids["unanswered"].append(gold.id)
            if gold.answer is None or (answer is None and skip_missing):
                ids["left_out"].append(gold.id)
            else:
                row = _row(gold.type, gold.answer, answer or Answer(), edition)
                rows[gold.type].append(row)
                questions.append(_question(gold.id, gold.type, gold.answer, row))
    f1_yes, f1_no = _f1_of(rows["yesno"], 1.0), _f1_of(rows["yesno"], 0.0)
    means = (
        _means(rows["yesno"])[1],
        *_means(rows["factoid"]),
        *_means(rows["list"]),
        (f1_yes + f1_no) / 2,
        f1_yes,
        f1_no,
    )
    values: dict[str, Any] = dict(zip(MEASURES, means, strict=True))
    values |= {f"num_{type_}": len(own) for type_, own in rows.items()}
    values |= {name: tuple(found) for name, found in ids.items()}
    return BioAsqScores(questions=tuple(questions), **values)


def _golds(golden: JsonSource, edition: int) -> list[Gold]:
    return files.parse_json(golden, functools.partial(read_gold, edition=edition))


def question_ids(golden: Path, edition: int = 5) -> list[str]:
    """Returns the ids of the questions in a file of gold, which can be scored against.

    Raises:
        InputError: The file cannot be read or is not in BioASQ's form; it is named.
    """
    return [gold.id for gold in _golds(golden, edition)]


def report(scores: BioAsqScores) -> str:
    """Returns a line for people per type of question, and the warnings."""
    lines = []
    for question_type in TYPES:
        if number := getattr(scores, f"num_{question_type}"):
            texts = ", ".join(
                f"{name[len(question_type) + 1 :]} {getattr(scores, name):.4f}"
                for name in MEASURES
                if name.startswith(question_type)
            ).replace("_", " ")
            lines.append(f"{question_type:7} : {texts}; {number} questions")
    lines = lines or ["nothing to score"]
    lines += [f"warning: {warning}" for warning in scores.warnings]
    return "".join(f"{line}\n" for line in lines)


def _row(question_type: str, gold: Answer, answer: Answer, edition: int) -> Row:
    """Returns the scores of a question of one of `TYPES`."""
    if question_type == "yesno":
        return float(gold.word == "yes"), float(answer.word == gold.word), 0.0
    if question_type == "list":
        return _score_list(gold.items, answer.items)
    return _score_factoid(gold, answer, edition)


def _question(name: str, question_type: str, gold: Answer, row: Row) -> QuestionScores:
    """Returns the scores of a question by the names of their means."""
    names = [each for each in MEASURES if each.startswith(question_type)]
    values = row[1:2] if question_type == "yesno" else row
    items: Sequence[object] = [list(each) for each in gold.items] or list(gold.flat)
    return QuestionScores(
        name, gold.word or items, dict(zip(names, values, strict=False))
    )


def _score_factoid(gold: Answer, answer: Answer, edition: int) -> Row:
    """Returns strict and lenient accuracy and the reciprocal rank of a question."""
    right, answers = gold.items, answer.items
    if edition <= FLAT:
        right, answers = (gold.flat,), tuple((name,) for name in answer.flat)
    for i, names in enumerate(answers):
        if _first_match(names, right) is not None:
            # PARITY(QuestionAnswerEvaluator.java:544): it had to be
            # the first of the gold names, though any other will do for the rest.
            is_strict = answer.flat[0] == gold.flat[0] if edition <= FLAT else i == 0
            return float(is_strict), 1.0, 1 / (i + 1)
    return 0.0, 0.0, 0.0


def _score_list(gold: Sequence[Names], submitted: Sequence[Names]) -> Row:
    """Returns precision, recall and F1 of the items of a question."""
    if not gold or not submitted:
        return 0.0, 0.0, 0.0
    not_found = list(gold)
    for names in submitted:
        if (match := _first_match(names, not_found)) is not None:
            del not_found[match]
    num_right = len(gold) - len(not_found)
    # PARITY(QuestionAnswerEvaluator.java:490-507): what was not
    # found is looked for once more among all items, so that a gold item listed twice,
    # or under a name of another one, is not missed; but it is not counted as found.
    unused = list(submitted)
    num_missed = 0
    for names in not_found:
        if (match := _first_match(names, unused)) is None:
            num_missed += 1
        else:
            del unused[match]
    if not num_right:
        return 0.0, 0.0, 0.0
    precision = num_right / len(submitted)
    recall = num_right / (num_right + num_missed)
    return precision, recall, 2 * precision * recall / (precision + recall)


def _first_match(names: Names, items: Sequence[Names]) -> int | None:
    """Returns the index of the first item that shares a name; None: there is none."""
    matches = (i for i, item in enumerate(items) if not set(item).isdisjoint(names))
    return next(matches, None)


def _f1_of(rows: Sequence[Row], label: float) -> float:
    """Returns the F1 of yes (`label` 1) or no (0), from gold and rightness."""
    num_right = sum(is_yes == label and bool(is_right) for is_yes, is_right, _ in rows)
    # PARITY(EvaluatorTask1b.java:264-278): whatever is not right counts
    # as the other answer, also where it is neither yes nor no.
    num_wrong = sum(not is_right for _, is_right, _ in rows)
    return 2 * num_right / (2 * num_right + num_wrong) if num_right else 0.0


def _means(rows: Sequence[Row]) -> list[float]:
    """Returns the mean of each of the three columns; 0 where there is no row."""
    columns = zip(*rows, strict=True) if rows else ([0.0],) * 3
    return [sum(column) / (len(rows) or 1) for column in columns]
