# SPDX-License-Identifier: Apache-2.0
"""`biobert ask`: takes a question and texts, returns answers and their places.

    model directory -> task, estimator; question, texts -> windows -> scores -> answers

`run_qa.py`, like the original, computes a softmax per passage, so that probabilities of
different passages cannot be compared. Here one softmax covers the answers in all texts.
"""

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from biobert_tf.common import files
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.qa import answers as qa_answers
from biobert_tf.qa import bioasq_form, lists, reading, yesno
from biobert_tf.qa.contexts import NamedText, read_contexts
from biobert_tf.qa.decoding import Prediction
from biobert_tf.qa.problem import QA
from biobert_tf.qa.settings import AskConfig, QaConfig
from biobert_tf.qa.yesno import YesNoAnswer
from biobert_tf.training.class_weights import ClassWeights

# TensorFlow is imported when the model is built.
if TYPE_CHECKING:
    from biobert_tf.qa.task import QaTask
    from biobert_tf.training.estimator import Estimator

# Characters of the text that are shown on either side of an answer.
_SHOWN_AROUND: Final = 60
# Scores that differ by less, in logits, are equal.
_SAME_SCORE: Final = 1e-4


def around(text: str, start: int, end: int) -> tuple[str, str]:
    """Returns the words on either side of a part of a text; `...` is the rest."""
    before = text[max(start - _SHOWN_AROUND, 0) : start]
    after = text[end : end + _SHOWN_AROUND]
    if len(before) < start:
        before = f"... {before.partition(' ')[2]}"
    if end + len(after) < len(text):
        after = f"{after.rpartition(' ')[0]} ..."
    return before, after


@dataclasses.dataclass(frozen=True)
class FoundAnswer:
    """An answer and its place in a text.

    Attributes:
        text: The answer; "yes" or "no" from a model of yes/no questions; "" if a model
            of SQuAD 2 finds no answer.
        probability: The probability of the answer, in [0, 1].
        source: The name of the text that holds the answer, or of the text with the
            strongest evidence for yes or no; "" if there is none.
        start: The offset of the answer's first character in that text; None if the
            text does not hold the answer.
        end: The offset behind the answer's last character; None likewise.
        around: The answer and the words around it, with single spaces; `...` stands
            for the rest of the text.
    """

    text: str
    probability: float
    source: str
    start: int | None = None
    end: int | None = None
    around: str = ""

    @classmethod
    def at(cls, text: NamedText, start: int, end: int) -> "FoundAnswer":
        """Returns a part of a text as an answer with probability 0."""
        before, after = around(text.text, start, end)
        shown = text.text[start:end]
        words = " ".join(f"{before}{shown}{after}".split())
        return cls(shown, 0.0, text.source, start, end, words)

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answerer:
    """A model trained by `run_qa.py`; a prediction step has `batch_size` windows."""

    estimator: "Estimator"
    task: "QaTask"
    settings: QaConfig
    batch_size: int

    @classmethod
    def load(cls, model_dir: Path, device: DeviceConfig, batch_size: int) -> "Answerer":
        """Returns the model of a directory, the `output_dir` of `run_qa.py`.

        An export of it will do. A prediction step has `batch_size` windows, all devices
        together.

        Raises:
            InputError: The directory holds no such model, or the devices cannot share
                the batch.
        """
        loaded = QA.load(model_dir, device)
        # The padding of rows is no answer, and nothing is trained.
        settings = dataclasses.replace(
            loaded.settings,
            text=loaded.text,
            compat="fixed",
            class_weights=ClassWeights(),
        )
        from biobert_tf.qa import task as tasks

        task = tasks.of(settings, loaded.tokenizer)
        estimator = loaded.estimator(task)
        estimator.check_batch_size("predict_batch_size", batch_size)
        return cls(
            estimator=estimator, task=task, settings=settings, batch_size=batch_size
        )

    def answer(
        self, question: str, texts: Sequence[NamedText], num_answers: int
    ) -> list[FoundAnswer]:
        """Returns the answers to a question, best first; empty if no text has a word.

        There are at most `num_answers`. A list question has as many as `lists` decides;
        a yes/no question has one.
        """
        examples = [
            reading.Context(text.text).example(text.source, question) for text in texts
        ]
        if not any(example.doc_tokens for example in examples):
            return []
        rows = self.task.featurize(examples)
        features = (row.features for row in rows)
        outputs = self.estimator.predict_rows(
            features, self.batch_size, total=len(rows)
        )
        if self.settings.question_type == "yesno":
            return [_decided(qa_answers.yes_no_answers(examples, rows, outputs))]
        predictions = list(
            qa_answers.span_predictions(self.settings, examples, rows, outputs)
        )
        found = _ranked(texts, predictions)
        if self.settings.question_type == "list":
            return _chosen(question, predictions, found, self.settings.lists)
        if self.settings.decoding.version_2_with_negative:
            found = _with_none(predictions, found)
        return found[:num_answers]


def _ranked(
    texts: Sequence[NamedText], predictions: Sequence[Prediction]
) -> list[FoundAnswer]:
    """Returns the answers in all texts, with the probabilities of one softmax.

    Answers that differ only in case or white space are merged: their probabilities are
    summed, and the place of the most probable one is kept.
    """
    entries = [
        (answer.start_logit + answer.end_logit, text, answer.span)
        for text, prediction in zip(texts, predictions, strict=True)
        for answer in prediction.nbest
        if answer.span is not None
    ]
    highest = max((score for score, _, _ in entries), default=0.0)
    best: dict[str, tuple[float, FoundAnswer]] = {}
    weights: dict[str, float] = collections.defaultdict(float)
    for score, text, (start, end) in entries:
        answer = FoundAnswer.at(text, start, end)
        key = _key(answer.text)
        # Scores of equal texts differ in their last digits; the first text counts.
        if key not in best or score > best[key][0] + _SAME_SCORE:
            best[key] = score, answer
        weights[key] += math.exp(score - highest)
    total = sum(weights.values())
    found = [
        dataclasses.replace(answer, probability=weights[key] / total)
        for key, (_, answer) in best.items()
    ]
    return sorted(found, key=lambda answer: answer.probability, reverse=True)


def _chosen(
    question: str,
    predictions: Sequence[Prediction],
    found: Sequence[FoundAnswer],
    settings: lists.ListSettings,
) -> list[FoundAnswer]:
    """Returns the items of a list, as `run_qa.py` would submit them."""
    pooled = bioasq_form.pool(prediction.entries[2] for prediction in predictions)
    chosen = lists.list_answers(pooled, question, settings)
    by_text = {_key(answer.text): answer for answer in found}
    return [by_text[_key(text)] for text in chosen if _key(text) in by_text]


def _key(text: str) -> str:
    """Returns an answer in lower case with single spaces, to compare answers."""
    return " ".join(text.lower().split())


def _with_none(
    predictions: Sequence[Prediction], found: Sequence[FoundAnswer]
) -> list[FoundAnswer]:
    """Scales answers of a model of SQuAD 2; puts "" first if no text has an answer.

    The probability of "" is the lowest that any text gives to it, since the question
    has an answer if any text has one.
    """
    none = min(
        answer.probability
        for prediction in predictions
        for answer in prediction.nbest
        if answer.text == ""
    )
    found = [
        dataclasses.replace(answer, probability=answer.probability * (1 - none))
        for answer in found
    ]
    if any(prediction.text for prediction in predictions):
        return found
    return [FoundAnswer("", none, ""), *found]


def _decided(passages: Iterable[YesNoAnswer]) -> FoundAnswer:
    """Returns yes or no, from the evidence in all texts."""
    passages = list(passages)
    [answer] = yesno.pool(
        dataclasses.replace(passage, id=f"question_{i:03}")
        for i, passage in enumerate(passages)
    )
    sign = 1 if answer.is_yes else -1
    strongest = max(passages, key=lambda passage: sign * passage.evidence)
    probability = answer.probability if answer.is_yes else 1 - answer.probability
    return FoundAnswer(answer.text, probability, strongest.id)


# --- the command --------------------------------------------------------------------


def ask(settings: AskConfig) -> str:
    """Answers the question of a command line; returns the lines to print.

    Raises:
        InputError: The model or a text cannot be used, or `--json` cannot be written.
    """
    texts = list(read_contexts(settings.context))
    model = Answerer.load(settings.model, settings.device, settings.predict_batch_size)
    answers = model.answer(settings.question, texts, settings.num_answers)
    if settings.json is not None:
        found = [answer.to_dict() for answer in answers]
        stored = {"question": settings.question, "answers": found}
        files.write_json(settings.json, stored)
    return "".join(map(_line, answers)) or "no answer: the texts hold no word\n"


def _line(answer: FoundAnswer) -> str:
    """Returns the lines of an answer: text, place and the words around it."""
    shown = " ".join(answer.text.split()) or "(no answer)"
    place = answer.source
    if answer.start is not None:
        place += f" {answer.start}:{answer.end}"
    line = f"{answer.probability:.3f}  {shown}" + (f"  [{place}]" if place else "")
    return f"{line}\n" + (f"       {answer.around}\n" if answer.around else "")
