# SPDX-License-Identifier: Apache-2.0
"""`biobert classify`: adds labels or numbers to documents.

    files -> documents -> texts -> predictions -> verdicts -> documents -> files

A text is a document, a passage or a sentence. Documents are read, classified and
written one after the other; memory holds half a million characters at a time.
"""

import collections
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from biobert_tf.checkpoints import hub
from biobert_tf.classification.classifier import Classifier
from biobert_tf.classification.examples import Target, TextExample
from biobert_tf.classification.problem import CLASSIFICATION
from biobert_tf.classification.settings import ClassifyConfig, Unit
from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats, jobs, jsonl, places, sentences
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Verdict
from biobert_tf.documents.jobs import Item, Job
from biobert_tf.documents.left_out import LeftOut
from biobert_tf.documents.places import Plan
from biobert_tf.training import precision

# TensorFlow is imported when there is a document to classify.
if TYPE_CHECKING:
    from biobert_tf.classification.task import TextPrediction, TextTask
    from biobert_tf.classification.tasks import Facts

# The names of what a model of each target gives.
_NAMES: Mapping[Target, tuple[str, ...]] = {
    "single": ("label", "probabilities"),
    "multi": ("labels", "probabilities"),
    "regression": ("value",),
}


def classify(settings: ClassifyConfig) -> str:
    """Classifies documents; returns a summary in one line, to print.

    Raises:
        InputError: The model cannot be used, there is nothing to read, or the output
            cannot be written. A document that cannot be used is reported and left out.
    """
    plan = places.plan(
        settings.input,
        settings.output,
        settings.input_format,
        settings.output_format,
        formats.WITH_VERDICTS,
    )
    model = hub.opened(settings.model).resolve()
    loaded = CLASSIFICATION.load(model, settings.device)
    from biobert_tf.classification import tasks

    facts = tasks.facts_of(loaded.found.recorded, model)
    _require_unit(settings.unit, facts, plan)
    bad = LeftOut()
    decisive: dict[str, object] = {
        "model": str(model),
        "unit": settings.unit,
        "prefix": settings.prefix,
        "input_format": settings.input_format,
        "output_format": settings.output_format,
        "mixed_precision": precision.chosen(settings.device),
        "engine": settings.device.engine,
    }
    require = functools.partial(_require, settings, facts)
    job = Job(plan, decisive, bad, "keep", require)
    if not job.todo:
        return f"all {len(plan.places)} files are classified already, in {plan.folder}"
    load = functools.partial(Classifier, loaded, settings.predict_batch_size)
    work = _Work(settings, load)
    try:
        totals = job.write(
            job.annotated(job.documents(), work.found, work.verdicts, "classifying")
        )
    finally:
        bad.report_others()
    return "; ".join([work.summary(totals), *totals.remarks(bad.kinds)])


def _require_unit(unit: Unit, facts: "Facts", plan: Plan) -> None:
    """Refuses units that the model or the output cannot have.

    Raises:
        InputError: The model reads pairs, or the output has no place for sentences.
    """
    if unit != "document" and facts.has_pairs:
        raise InputError(f"--unit={unit}: the model reads pairs, one to a document")
    if unit == "sentence" and facts.target != "multi":
        for place in plan.places:
            if place.target_format != "jsonl":
                problem = "BioC has no place for what is said of sentences; give "
                problem += "--output_format=jsonl, or --unit=document or passage"
                raise InputError.at(place.target, None, problem)


def _require(settings: ClassifyConfig, facts: "Facts", item: Item) -> None:
    """Refuses a document that the model cannot read, or that has results already.

    Raises:
        InputError: It has no second text, or one that the model does not read; or what
            is to be added to it is there.
    """
    document = item.loaded.document
    pair = _pair(item.loaded)
    problem = ""
    if facts.has_pairs and pair is None:
        problem = 'has no second text; the model reads JSON lines with "text" and '
        problem += '"pair", two strings'
    elif pair is not None and not facts.has_pairs:
        problem = 'has a second text, "pair", but the model reads single texts'
    new = [f"{settings.prefix}{x}" for x in (*_NAMES[facts.target], jsonl.PARTS)]
    known = formats.kept_names(item.loaded, item.place.target_format)
    if not problem and (there := next((name for name in new if name in known), None)):
        problem = f'has a value "{there}" already; give another --prefix'
    if problem:
        source = item.place.source
        raise InputError.at(source, None, f"document {document.id} {problem}")


def _pair(loaded: Loaded) -> str | None:
    """Returns the second text of a document, which JSON lines may have."""
    source = loaded.source
    pair = source.values.get("pair") if isinstance(source, jsonl.Source) else None
    return pair if isinstance(pair, str) else None


class _Text(NamedTuple):
    """A text to classify, and its place; None for the whole document."""

    text: str
    span: tuple[int, int] | None = None


def texts_of(document: AnnotatedDocument, unit: Unit) -> list[_Text]:
    """Returns the texts of a document; blank passages are none."""
    passages = document.passages
    if unit == "document":
        return [_Text(" ".join(passage.text for passage in passages))]
    if unit == "passage":
        return [
            _Text(passage.text, (passage.offset, passage.end))
            for passage in passages
            if passage.text.strip()
        ]
    spans = [span for passage in passages for span in sentences.spans(passage)]
    return [_Text(document.slice(*span), span) for span in spans]


class _Work:
    """Classifies the documents of a job, with a model loaded for the first of them."""

    def __init__(
        self, settings: ClassifyConfig, load: "functools.partial[Classifier]"
    ) -> None:
        self._settings = settings
        self._load = load
        self._counts: collections.Counter[str] = collections.Counter()
        self._num_texts = 0

    @functools.cached_property
    def _classifier(self) -> Classifier:
        return self._load()  # A model takes seconds to load.

    def found(self, documents: Iterable[Loaded]) -> "Iterator[list[TextPrediction]]":
        """Yields the predictions for the texts of every document."""
        remaining = iter(documents)
        if first := [*itertools.islice(remaining, 1)]:
            everything = itertools.chain(first, remaining)
            groups = map(self._examples, everything)
            yield from self._classifier.predict(groups)

    def _examples(self, loaded: Loaded) -> list[TextExample]:
        document, pair = loaded.document, _pair(loaded)
        return [
            TextExample(document.id, 0, each.text, pair)
            for each in texts_of(document, self._settings.unit)
        ]

    def verdicts(
        self, item: Item, predictions: "Sequence[TextPrediction]"
    ) -> list[Verdict]:
        """Returns what is added to a document.

        With several labels, the document has those of all its texts.
        """
        task, unit = self._classifier.task, self._settings.unit
        for prediction in predictions:
            self._counts.update(prediction.labels)
        self._num_texts += len(predictions)
        texts = texts_of(item.loaded.document, unit)
        parts = list(zip(predictions, (each.span for each in texts), strict=True))
        if unit == "sentence" and item.place.target_format != "jsonl":
            parts = []
        if unit != "document" and task.target_name == "multi":
            parts.insert(0, (_union(task, predictions), None))
        return [
            Verdict(_values(task, prediction), span, self._settings.prefix)
            for prediction, span in parts
        ]

    def summary(self, totals: jobs.Totals) -> str:
        """Returns what was done in one line."""
        counts = sorted(self._counts.items())
        by_label = ", ".join(f"{label} {number}" for label, number in counts)
        line = f"{totals.written.documents} documents"
        if self._settings.unit != "document":
            line += f", {self._num_texts} {self._settings.unit}s"
        return f"{line}: {by_label}" if by_label else line


def _values(task: "TextTask", prediction: "TextPrediction") -> dict[str, object]:
    """Returns a prediction by name, as predictions.jsonl of a run has it."""
    return task.row(TextExample("", 0, ""), prediction)


def _union(
    task: "TextTask", predictions: "Sequence[TextPrediction]"
) -> "TextPrediction":
    """Returns the labels of any of the texts, and the greatest probabilities."""
    from biobert_tf.classification.task import TextPrediction

    found = {label for prediction in predictions for label in prediction.labels}
    rows = [prediction.probabilities for prediction in predictions]
    none = np.zeros(len(task.labels), np.float32)
    return TextPrediction(
        tuple(label for label in task.labels if label in found),
        np.max([none, *rows], axis=0),
    )
