# SPDX-License-Identifier: Apache-2.0
"""Computes the official SQuAD scores, exact match and F1, for versions 1.1 and 2.0.

The definition is that of Rajpurkar et al. (2016, section 6.1; 2018, section 5). An
answer is compared with a gold answer after both are lower-cased and stripped of
punctuation, articles and extra white space. A question's score is the best over its
gold answers; a data set's score is the mean over its questions.
"""

import collections
import dataclasses
import functools
import math
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.files import JsonSource
from biobert_tf.qa import squad_json
from biobert_tf.qa.question_scores import QuestionScores
from biobert_tf.qa.squad_json import JsonObject

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


@dataclasses.dataclass(frozen=True)
class Threshold:
    """The best score over all null-odds thresholds, and the threshold that gives it.

    Attributes:
        score: Mean exact match or F1, in [0, 1].
        threshold: Questions with greater null odds than this are left unanswered.
    """

    score: float
    threshold: float


@dataclasses.dataclass(frozen=True)
class SquadPart:
    """Mean scores of some questions, in [0, 1], and the number of the questions."""

    exact_match: float
    f1: float
    total: int


@dataclasses.dataclass(frozen=True)
class SquadScores(SquadPart):
    """The scores of a data set; for version 2.0 also of its two kinds of questions.

    Attributes:
        missing: Ids of the questions without a prediction; each scores 0.
        has_answer: Version 2.0: scores of the questions with an answer, if any.
        no_answer: Version 2.0: scores of the questions without an answer, if any.
        best_exact_match: Version 2.0 with null odds: the best threshold.
        best_f1: The same for F1.
        questions: The scores of every question, in the order of the data.
    """

    missing: tuple[str, ...] = ()
    has_answer: SquadPart | None = None
    no_answer: SquadPart | None = None
    best_exact_match: Threshold | None = None
    best_f1: Threshold | None = None
    questions: tuple[QuestionScores, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the reader of the scores, one line each."""
        if not self.missing:
            return ()
        warning = (
            f"{len(self.missing)} of {self.total} questions have no prediction "
            f"and count 0; the first is {self.missing[0]}"
        )
        if self.has_answer or self.no_answer:
            warning += "; the official program for version 2.0 stops there"
        return (warning,)

    def to_dict(self) -> dict[str, object]:
        """Returns all fields but `questions` that are not None, ready for JSON."""
        whole = dataclasses.replace(self, questions=())
        values = dataclasses.asdict(whole) | {"missing": list(self.missing)}
        del values["questions"]
        return {name: value for name, value in values.items() if value is not None}


class _Question(NamedTuple):
    """A question, its gold answers (maybe none), and whether it has 2.0's form."""

    id: str
    answers: tuple[str, ...]
    is_version_2: bool


@dataclasses.dataclass(frozen=True)
class Gold:
    """The questions of a data set with their gold answers."""

    questions: Sequence[_Question]

    @property
    def is_version_2(self) -> bool:
        """Whether any question has the key `is_impossible` or has no answer."""
        return any(question.is_version_2 for question in self.questions)


class _Scored(NamedTuple):
    """One question and its scores; `prediction` is None if it is missing."""

    question: _Question
    prediction: str | None
    exact_match: float
    f1: float


def evaluate(
    data: JsonSource | Gold,
    predictions: JsonSource,
    null_odds: JsonSource | None = None,
    threshold: float = 1.0,
) -> SquadScores:
    """Scores predicted answers as the official evaluation programs do.

    If any question has the key `is_impossible` or has no answer, the rules of version
    2.0 apply: the only right prediction for a question without an answer is the empty
    text. A question without a prediction scores 0 in both versions. The official
    program for 2.0 skips it, and then stops with a KeyError (evaluate-v2.0.py:123).

    Args:
        data: The data in SQuAD's form.
        predictions: Predicted text by question id; unknown ids are ignored.
        null_odds: How likely it is that a question has no answer, by question id,
            as probabilities or as differences of scores. Version 2.0 only.
        threshold: A question with greater null odds than this counts as left
            unanswered. The official default, 1, suits probabilities; for differences
            of scores give the threshold that the predictions were made with.

    Raises:
        InputError: The data, the predictions or the odds are malformed, or a file
            cannot be read; the message names the file.
    """
    gold = data
    if not isinstance(gold, Gold):
        gold = files.parse_json(
            gold, lambda dataset: _gold(_entries(dataset)), squad_json.read_dataset
        )
    questions, is_version_2 = gold.questions, gold.is_version_2
    texts = files.parse_json(predictions, _texts)
    scored = [_scored(q, texts.get(q.id), is_version_2) for q in questions]
    missing = tuple(one.question.id for one in scored if one.prediction is None)
    rest: dict[str, Any] = {}
    if null_odds is not None:
        odds = files.parse_json(null_odds, functools.partial(_odds, questions))
        if not is_version_2:
            problem = "null odds given, but every question has an answer (SQuAD 1)"
            raise InputError(problem)
        rest = _best_thresholds(scored, odds)
        scored = [
            _left_blank(one) if odds[one.question.id] > threshold else one
            for one in scored
        ]
    if is_version_2:
        kinds = {
            "has_answer": [one for one in scored if one.question.answers],
            "no_answer": [one for one in scored if not one.question.answers],
        }
        rest |= {name: _part(kind) for name, kind in kinds.items() if kind}
    own = tuple(
        QuestionScores(
            one.question.id,
            list(one.question.answers),
            {"f1": one.f1, "exact_match": one.exact_match},
        )
        for one in scored
    )
    whole = vars(_part(scored))
    return SquadScores(**whole, missing=missing, questions=own, **rest)


def gold_of(path: Path) -> Gold | None:
    """Returns the gold answers of a set; None if a question has no key `answers`.

    Raises:
        InputError: The file cannot be read, is malformed or holds no question.
    """

    def read(dataset: Mapping[str, object]) -> Gold | None:
        entries = _entries(dataset)
        is_known = all("answers" in entry.values for entry in entries)
        return _gold(entries) if is_known else None

    return files.parse_json(path, read, squad_json.read_dataset)


def report(scores: SquadScores) -> str:
    """Returns a readable summary: percentages, counts, warnings."""
    parts = {
        "all": scores,
        "has answer": scores.has_answer,
        "no answer": scores.no_answer,
    }
    lines = [
        f"{name:10} : exact match {part.exact_match:8.4%}, F1 {part.f1:8.4%}, "
        f"{part.total} questions"
        for name, part in parts.items()
        if part is not None
    ]
    best = {"best exact": scores.best_exact_match, "best F1": scores.best_f1}
    lines += [
        f"{name:10} : {found.score:.4%} at threshold {found.threshold:g}"
        for name, found in best.items()
        if found is not None
    ]
    lines += [f"warning: {warning}" for warning in scores.warnings]
    return "".join(f"{line}\n" for line in lines)


def normalized(text: str) -> str:
    """Returns `text` in the form in which answers are compared.

    Lower-cases, then removes ASCII punctuation, the words a, an and the, and extra
    white space; in this order, so that "a.m." becomes "am" and is kept.
    """
    text = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def _part(scored: Sequence[_Scored]) -> SquadPart:
    total = len(scored)
    exact_match = sum(one.exact_match for one in scored) / total
    return SquadPart(exact_match, sum(one.f1 for one in scored) / total, total)


def _scored(question: _Question, prediction: str | None, is_version_2: bool) -> _Scored:
    """Returns a question with its score, the best over its gold answers."""
    if prediction is None:
        return _Scored(question, None, 0.0, 0.0)
    predicted = normalized(prediction)
    gold = [normalized(answer) for answer in question.answers]
    if is_version_2:
        # Version 2.0 ignores a gold answer that is empty when normalized, as "the" is.
        gold = [answer for answer in gold if answer] or [""]
    return _Scored(
        question,
        prediction,
        exact_match=float(predicted in gold),
        f1=max(_f1(answer.split(), predicted.split(), is_version_2) for answer in gold),
    )


def _f1(gold: Sequence[str], predicted: Sequence[str], is_version_2: bool) -> float:
    """Returns the F1 of two bags of words, in [0, 1]."""
    if not gold or not predicted:
        # PARITY(evaluate-v1.1.py:34-35): two answers of which nothing is left, as
        # "the" and "a", match exactly, and have an F1 of 0; since 2.0 it is 1.
        return float(is_version_2 and gold == predicted)
    common = collections.Counter(gold) & collections.Counter(predicted)
    return 2 * common.total() / (len(gold) + len(predicted))


def _left_blank(one: _Scored) -> _Scored:
    """Returns the question scored as if it had been left unanswered."""
    right = float(one.prediction is not None and not one.question.answers)
    return one._replace(exact_match=right, f1=right)


def _best_thresholds(
    scored: Sequence[_Scored], odds: Mapping[str, float]
) -> dict[str, Threshold]:
    """Returns the best thresholds on null odds, by the fields of `SquadScores`."""
    # Equal odds keep their order in the file, as in the official program.
    place = {name: i for i, name in enumerate(odds)}
    ordered = sorted(
        scored, key=lambda one: (odds[one.question.id], place[one.question.id])
    )
    found = {}
    for name in ("exact_match", "f1"):
        total = sum(_left_blank(one).f1 for one in ordered)
        best, threshold = total, 0.0
        for one in ordered:
            # PARITY(evaluate-v2.0.py:202-221): sums are compared after every
            # question, also between two of equal odds that no threshold can tell
            # apart; and an answer to a question without one costs a point by being
            # there, even where nothing is left of it, as of "the".
            if one.question.answers:
                total += getattr(one, name)
            elif one.prediction:
                total -= 1
            if total > best:
                best, threshold = total, odds[one.question.id]
        found[f"best_{name}"] = Threshold(best / len(ordered), threshold)
    return found


def _gold(entries: Iterable[JsonObject]) -> Gold:
    found = []
    for entry in entries:
        answers = tuple(answer.get("text", str) for answer in entry.objects("answers"))
        is_version_2 = "is_impossible" in entry.values or not answers
        found.append(_Question(squad_json.id_of(entry), answers, is_version_2))
    if not found:
        raise InputError("holds no question")
    return Gold(found)


def _entries(dataset: Mapping[str, object]) -> list[JsonObject]:
    """Returns the object of every question."""
    return [entry for _, own in squad_json.paragraphs(dataset) for entry in own]


def _texts(predictions: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns `predictions` after checking that every value is a text."""
    for name, text in predictions.items():
        if not isinstance(text, str):
            raise InputError(
                f"the prediction of question {name} is not a text; "
                "give predictions.json, not the n-best file"
            )
    return predictions


def _odds(
    questions: Sequence[_Question], null_odds: Mapping[str, Any]
) -> Mapping[str, float]:
    """Returns `null_odds` after checking that those of the questions are finite."""
    for question in questions:
        value: Any = null_odds.get(question.id)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise InputError(f"no finite null odds for question {question.id}")
    return null_odds
