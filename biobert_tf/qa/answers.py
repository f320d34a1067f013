# SPDX-License-Identifier: Apache-2.0
"""Writes the answer files of a run from the model's scores, for any question type.

predictions.json                         the answer from every passage
nbest_predictions.json                   the best answers with their probabilities
null_odds.json                           SQuAD 2: the odds that there is no answer
BioASQform_BioASQ-answer.json            BioASQ: the submission, one entry per question
WithProb_BioASQform_BioASQ-answer.json   the same with scores
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from biobert_tf.qa import bioasq_form, decoding, lists, yesno
from biobert_tf.qa.bioasq_form import Entry
from biobert_tf.qa.decoding import DecodingSettings, WindowScores
from biobert_tf.qa.features import QaFeatures
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import QaConfig
from biobert_tf.qa.yesno import YesNoScores

Outputs = Iterable[Mapping[str, np.ndarray]]
"""The model's outputs for each window, by name."""


@dataclasses.dataclass(frozen=True)
class SpanAnswers:
    """Writes the answers of a span model.

    Attributes:
        settings: The settings of the run.
        known: Known question ids; see `bioasq_form.question_id`.
    """

    settings: QaConfig
    known: Collection[str]

    def write(
        self,
        directory: Path,
        examples: Sequence[QaExample],
        rows: Iterable[QaFeatures],
        outputs: Outputs,
    ) -> None:
        """Writes the answers to the questions of a file; each file whole or not at all.

        Args:
            directory: Where the files go.
            examples: One example per question and passage.
            rows: The windows of the examples, in order.
            outputs: `start_logits` and `end_logits` of the windows, in order.

        Raises:
            InputError: The directory cannot be written, or a score is not finite.
        """
        is_squad = self.settings.question_type == "squad"
        how = decoding_of(self.settings)
        nbest: dict[str, list[dict[str, object]]] = {}
        with decoding.prediction_files(directory, how.version_2_with_negative) as write:
            windows = span_scores(rows, outputs)
            for prediction in decoding.decode(examples, windows, how):
                write(prediction.qas_id, *prediction.entries)
                if not is_squad:
                    nbest[prediction.qas_id] = [
                        {"text": answer.text, "probability": answer.probability}
                        for answer in prediction.nbest
                    ]
        if not how.version_2_with_negative:
            _forget(directory, decoding.NULL_ODDS)
        if is_squad:
            _forget(directory, *bioasq_form.FILES)
        else:
            documents = bioasq_form.transform(nbest, self.known, self._maker(examples))
            bioasq_form.write_both(directory, documents)

    def _maker(self, examples: Sequence[QaExample]) -> bioasq_form.MakeEntry:
        """Returns the function that makes a question's entry from its answers."""
        if self.settings.question_type == "factoid":
            return bioasq_form.factoid_entry
        questions = {
            bioasq_form.question_id(example.qas_id, self.known): example.question_text
            for example in examples
        }

        def make(id_: str, answers: Sequence[tuple[str, float]]) -> Entry:
            chosen = lists.list_answers(answers, questions[id_], self.settings.lists)
            return bioasq_form.list_question(id_, chosen)

        return make


@dataclasses.dataclass(frozen=True)
class YesNoAnswers:
    """Writes the answers of a yes/no model.

    Attributes:
        known: Known question ids; see `bioasq_form.question_id`.
    """

    known: Collection[str]

    def write(
        self,
        directory: Path,
        examples: Iterable[QaExample],
        rows: Iterable[QaFeatures],
        outputs: Outputs,
    ) -> None:
        """Writes the answers, as `SpanAnswers` does, from `logits` of no and yes."""
        answers = []
        with decoding.prediction_files(directory) as write:
            for answer in yesno.decode(examples, yesno_scores(rows, outputs)):
                write(answer.id, answer.text, answer.probabilities)
                answers.append(answer)
        _forget(directory, decoding.NULL_ODDS)
        documents = yesno.transform(yesno.pool(answers, self.known))
        bioasq_form.write_both(directory, documents)


def of(settings: QaConfig, known: Collection[str]) -> SpanAnswers | YesNoAnswers:
    """Returns the writer of answers for a run's question type.

    Args:
        settings: The settings of the run.
        known: Known question ids; see `bioasq_form.question_id`.
    """
    if settings.question_type == "yesno":
        return YesNoAnswers(known)
    return SpanAnswers(settings, known)


def decoding_of(settings: QaConfig) -> DecodingSettings:
    """Returns the settings of a run that say what counts as an answer."""
    return DecodingSettings(
        do_lower_case=settings.text.do_lower_case,
        n_best_size=settings.n_best_size,
        max_answer_length=settings.max_answer_length,
        version_2_with_negative=settings.version_2_with_negative,
        null_score_diff_threshold=settings.null_score_diff_threshold,
    )


def span_scores(rows: Iterable[QaFeatures], outputs: Outputs) -> Iterator[WindowScores]:
    """Yields every window with its scores: the lowest for padding not computed."""
    lowest = np.finfo(np.float32).min
    for features, values in zip(rows, outputs, strict=True):
        found = []
        for name in ("start_logits", "end_logits"):
            scores = np.full(len(features.input_ids), lowest, np.float32)
            scores[: len(values[name])] = values[name]
            found.append(scores)
        yield WindowScores(features, *found)


def yesno_scores(rows: Iterable[QaFeatures], outputs: Outputs) -> Iterator[YesNoScores]:
    """Yields every window with its scores."""
    for features, values in zip(rows, outputs, strict=True):
        yield YesNoScores(features, values["logits"])


def _forget(directory: Path, *names: str) -> None:
    """Removes files of an earlier prediction that this one does not write."""
    for name in names:
        (directory / name).unlink(missing_ok=True)
