# SPDX-License-Identifier: Apache-2.0
"""Scores of windows into the files of answers, whatever the type of question.

predictions.json                         the answer to every passage
nbest_predictions.json                   the best answers with their probabilities
null_odds.json                           SQuAD 2: how sure it is that there is none
BioASQform_BioASQ-answer.json            BioASQ: the submission, a question at a time
WithProb_BioASQform_BioASQ-answer.json   the same with scores
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from biobert_tf import bioasq_form, bioasq_lists
from biobert_tf.qa_config import QuestionType
from biobert_tf.tasks import qa_decoding
from biobert_tf.tasks.qa_decoding import DecodingSettings, WindowScores
from biobert_tf.tasks.qa_features import QaFeatures
from biobert_tf.tasks.qa_reading import QaExample


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanAnswers:
    """Writes the answers of a model of spans.

    Attributes:
        question_type: What the questions are.
        decoding: What counts as an answer.
        lists: How many answers to a list question are given.
        known: Ids of questions; see `bioasq_form.question_id`.
    """

    question_type: QuestionType
    decoding: DecodingSettings
    lists: bioasq_lists.ListSettings
    known: Collection[str]

    def write(
        self,
        directory: Path,
        examples: Sequence[QaExample],
        rows: Iterable[QaFeatures],
        batches: Iterable[Mapping[str, np.ndarray]],
    ) -> None:
        """Writes the answers to the questions of a file.

        Args:
            directory: Where the files go.
            examples: The questions, a passage each.
            rows: Their windows.
            batches: `start_logits` and `end_logits` of the windows, in order.

        Raises:
            InputError: The directory cannot be written, or a score is not finite.
        """
        is_version_2 = self.decoding.version_2_with_negative
        nbest: dict[str, list[dict[str, Any]]] = {}
        with qa_decoding.prediction_files(directory, is_version_2) as write:
            windows = _scored(rows, batches)
            for prediction in qa_decoding.decode(examples, windows, self.decoding):
                write(prediction)
                if self.question_type != "squad":
                    nbest[prediction.qas_id] = [
                        {"text": answer.text, "probability": answer.probability}
                        for answer in prediction.nbest
                    ]
        if not is_version_2:
            (directory / qa_decoding.NULL_ODDS).unlink(missing_ok=True)
        self._write_submission(directory, examples, nbest)

    def _write_submission(
        self,
        directory: Path,
        examples: Sequence[QaExample],
        nbest: bioasq_form.NBest,
    ) -> None:
        submission = directory / bioasq_form.SUBMISSION
        with_probabilities = directory / bioasq_form.WITH_PROBABILITIES
        if self.question_type == "squad":
            submission.unlink(missing_ok=True)
            with_probabilities.unlink(missing_ok=True)
            return
        documents = bioasq_form.transform(nbest, self.known, self._entry(examples))
        for path, document in zip(
            (submission, with_probabilities), documents, strict=True
        ):
            bioasq_form.write(path, document)

    def _entry(self, examples: Sequence[QaExample]) -> bioasq_form.MakeEntry:
        """Returns what chooses from the answers to a question."""
        if self.question_type == "factoid":
            return bioasq_form.factoid_entry
        questions = {
            bioasq_form.question_id(example.qas_id, self.known): example.question_text
            for example in examples
        }

        def make(id_: str, answers: Sequence[tuple[str, float]]) -> bioasq_form.Entry:
            chosen = bioasq_lists.list_answers(answers, questions[id_], self.lists)
            return bioasq_form.list_question(id_, chosen)

        return make


def _scored(
    rows: Iterable[QaFeatures], batches: Iterable[Mapping[str, np.ndarray]]
) -> Iterator[WindowScores]:
    """Yields every window with its scores."""
    pairs = (
        pair
        for batch in batches
        for pair in zip(batch["start_logits"], batch["end_logits"], strict=True)
    )
    for features, (start_logits, end_logits) in zip(rows, pairs, strict=True):
        yield WindowScores(features, start_logits, end_logits)
