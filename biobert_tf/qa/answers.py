# SPDX-License-Identifier: Apache-2.0
"""Writes the answer files of a run from the model's scores, for any question type.

predictions.json                         the answer from every passage
nbest_predictions.json                   the best answers with their probabilities
null_odds.json                           SQuAD 2: the odds that there is no answer
BioASQform_BioASQ-answer.json            BioASQ: the submission, one entry per question
WithProb_BioASQform_BioASQ-answer.json   the same with scores
"""

import collections
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from biobert_tf.qa import bioasq_form, decoding, lists, yesno
from biobert_tf.qa.bioasq_form import Entry, MakeEntry
from biobert_tf.qa.decoding import Prediction, WindowScores
from biobert_tf.qa.features import QaFeatures
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import QaConfig
from biobert_tf.qa.yesno import YesNoAnswer

Outputs = Iterable[Mapping[str, np.ndarray]]
"""The model's outputs for each window, by name."""

PassageT = TypeVar("PassageT", Prediction, YesNoAnswer)


def write(
    settings: QaConfig,
    known: Collection[str],
    directory: Path,
    examples: Sequence[QaExample],
    rows: Iterable[QaFeatures],
    outputs: Outputs,
) -> None:
    """Writes the answers to the questions of a file; each file whole or not at all.

    Args:
        settings: The settings of the run.
        known: Known question ids; see `bioasq_form.question_id`.
        directory: Where the files go.
        examples: One example per question and passage.
        rows: The windows of the examples, in order.
        outputs: `start_logits` and `end_logits` of the windows, or `logits` of no and
            yes, in order.

    Raises:
        InputError: The directory cannot be written, or a score is not finite.
    """
    has_odds = settings.decoding.version_2_with_negative
    documents: Sequence[dict[str, list[Entry]]] = ()
    if settings.question_type == "yesno":
        answers = yes_no_answers(examples, rows, outputs)
        answers = _writing(directory, answers, has_odds)
        documents = yesno.transform(yesno.pool(answers, known))
    else:
        predictions = span_predictions(settings, examples, rows, outputs)
        predictions = _writing(directory, predictions, has_odds)
        if settings.question_type == "squad":
            collections.deque(predictions, maxlen=0)
        else:
            nbest = {found.qas_id: found.entries[2] for found in predictions}
            make: MakeEntry = bioasq_form.factoid
            if settings.question_type == "list":
                make = _list_maker(settings.lists, examples, known)
            documents = bioasq_form.transform(nbest, known, make)
    # Files of an earlier prediction that this one does not write.
    stale = [] if has_odds else [decoding.NULL_ODDS]
    if documents:
        bioasq_form.write_both(directory, documents)
    else:
        stale += bioasq_form.FILES
    for name in stale:
        (directory / name).unlink(missing_ok=True)


def _writing(
    directory: Path, passages: Iterable[PassageT], has_odds: bool
) -> Iterator[PassageT]:
    """Yields the answers from passages; the files with them appear at the end."""
    with decoding.prediction_files(directory, has_odds) as write:
        for passage in passages:
            write(*passage.entries)
            yield passage


def _list_maker(
    settings: lists.ListSettings, examples: Iterable[QaExample], known: Collection[str]
) -> MakeEntry:
    """Returns the function that makes a list question's entry from its answers."""
    questions = {
        bioasq_form.question_id(example.qas_id, known): example.question_text
        for example in examples
    }

    def make(id_: str, answers: Sequence[tuple[str, float]]) -> Entry:
        chosen = lists.list_answers(answers, questions[id_], settings)
        return bioasq_form.list_question(id_, chosen)

    return make


def span_predictions(
    settings: QaConfig,
    examples: Iterable[QaExample],
    rows: Iterable[QaFeatures],
    outputs: Outputs,
) -> Iterator[Prediction]:
    """Yields the prediction for every example; see `decoding.decode`."""
    windows = span_scores(rows, outputs)
    do_lower_case = settings.text.do_lower_case
    return decoding.decode(
        examples, windows, settings.decoding, do_lower_case=do_lower_case
    )


def yes_no_answers(
    examples: Iterable[QaExample], rows: Iterable[QaFeatures], outputs: Outputs
) -> Iterator[YesNoAnswer]:
    """Yields the answer from every passage; see `yesno.decode`."""
    logits = (values["logits"] for values in outputs)
    return yesno.decode(examples, zip(rows, logits, strict=True))


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
