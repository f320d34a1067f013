# SPDX-License-Identifier: Apache-2.0
"""Turns the no and yes scores of windows into one answer per question.

A window's evidence is its score for yes minus its score for no, in logits; positive
evidence means yes. Evidence is averaged over a passage's windows, then over a
question's passages, without weights.
"""

import dataclasses
import math
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from biobert_tf.common import borders
from biobert_tf.common.errors import InputError
from biobert_tf.qa import bioasq_form, decoding
from biobert_tf.qa.bioasq_form import Entry
from biobert_tf.qa.features import QaFeatures
from biobert_tf.qa.reading import QaExample


@dataclasses.dataclass(frozen=True)
class YesNoAnswer:
    """The answer from a passage, or to a question.

    Attributes:
        id: Id of the passage or question.
        evidence: Score for yes minus score for no, in logits; 0 without any window.
    """

    id: str
    evidence: float

    @property
    def is_yes(self) -> bool:
        """Whether the answer is yes."""
        return self.evidence > 0

    @property
    def text(self) -> str:
        """The answer, yes or no."""
        return "yes" if self.is_yes else "no"

    @property
    def probability(self) -> float:
        """Probability of yes, in [0, 1]."""
        weight = math.exp(-abs(self.evidence))
        return (1 if self.evidence > 0 else weight) / (1 + weight)

    @property
    def probabilities(self) -> dict[str, float]:
        """Probability of each answer, in [0, 1]."""
        return {"yes": self.probability, "no": 1 - self.probability}

    @property
    def entries(self) -> tuple[object, ...]:
        """The id, and the entry in each file of `decoding.prediction_files`."""
        return self.id, self.text, self.probabilities


def decode(
    examples: Iterable[QaExample], windows: Iterable[tuple[QaFeatures, np.ndarray]]
) -> Iterator[YesNoAnswer]:
    """Yields the answer from every passage.

    Windows come with their scores for no and yes, float `[2]`; see
    `decoding.by_example` for their order.

    Raises:
        InputError: A score is not finite; the message names the passage.
        ValueError: Windows are out of order, or belong to no example.
    """
    for example, own in decoding.by_example(examples, windows):
        scores = np.array([logits for _, logits in own], np.float64).reshape(-1, 2)
        decoding.require_finite(example.qas_id, scores)
        differences = (scores[:, 1] - scores[:, 0]).tolist()
        yield YesNoAnswer(example.qas_id, statistics.fmean(differences or [0.0]))


def pool(
    passages: Iterable[YesNoAnswer], known: Collection[str] = ()
) -> list[YesNoAnswer]:
    """Returns the answer to every question, pooled over its passages.

    See `bioasq_form.question_id` for `known`.
    """
    evidence = {passage.id: passage.evidence for passage in passages}
    return [
        YesNoAnswer(id_, statistics.fmean(values))
        for id_, values in bioasq_form.by_question(evidence, known).items()
    ]


@dataclasses.dataclass(frozen=True)
class Border:
    """The evidence above which a question is best answered with yes.

    Attributes:
        evidence: The border, in logits.
        macro_f1: The mean of the F1s of yes and no with it, in [0, 1].
        macro_f1_before: The same with a border of 0.
        num_questions: The number of questions that it was chosen on.
    """

    evidence: float
    macro_f1: float
    macro_f1_before: float
    num_questions: int

    def to_dict(self) -> dict[str, float | int]:
        """Returns everything by name, ready for JSON."""
        return dataclasses.asdict(self)


def best_border(questions: Iterable[YesNoAnswer], is_yes: Mapping[str, bool]) -> Border:
    """Returns the border with the best macro F1 on labelled questions.

    It lies half-way between two neighbours in evidence, or one logit outside all. Of
    equally good borders it is the one next to 0, so evidence from which it was
    subtracted has its best border at 0.

    Args:
        questions: Pooled answers.
        is_yes: The right answers by id; at least one.
    """
    known = [answer for answer in questions if answer.id in is_yes]
    values = np.array([[answer.evidence] for answer in known])
    labels = np.array([[is_yes[answer.id]] for answer in known])
    outer = (values.min(0) - 1, values.max(0) + 1)
    found = borders.best(values, labels, borders.macro_f1, 0.0, outer)
    before = borders.score(values, labels, borders.macro_f1, 0.0)
    (border,), (score,), (unmoved,) = (each.tolist() for each in (*found, before))
    return Border(border, score, unmoved, len(values))


def gold(
    examples: Iterable[QaExample], known: Collection[str] = ()
) -> dict[str, list[Entry]]:
    """Returns the gold answers of labelled examples in BioASQ's form.

    See `bioasq_form.question_id` for `known`.

    Raises:
        InputError: Passages of a question differ in label; the message names it.
    """
    labels = {e.qas_id: e.is_yes for e in examples if e.is_yes is not None}
    entries = []
    for id_, answers in bioasq_form.by_question(labels, known).items():
        if len(set(answers)) > 1:
            raise InputError(
                f"question {id_!r} is answered yes for one passage and no for another; "
                "give all its passages the same answer to score it"
            )
        entries.append(bioasq_form.yes_no(id_, answers[0]))
    return bioasq_form.submission(entries)


def transform(
    questions: Iterable[YesNoAnswer],
) -> tuple[dict[str, list[Entry]], dict[str, list[Entry]]]:
    """Returns the submission of yes/no questions, and the same with probabilities.

    The second has both answers as `[text, probability]`, best first.
    """
    found = []
    for answer in questions:
        pairs = sorted(
            answer.probabilities.items(), key=lambda pair: pair[0] != answer.text
        )
        found.append((bioasq_form.yes_no(answer.id, answer.is_yes), pairs))
    return bioasq_form.submissions(found)
