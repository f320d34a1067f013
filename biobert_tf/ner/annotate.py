# SPDX-License-Identifier: Apache-2.0
"""`biobert annotate`: adds entities to documents.

    files -> documents -> entities of one model or several -> documents -> files

Documents are read, annotated and written one after the other; memory holds a few
thousand sentences at a time, whatever the number of documents.
"""

import collections
import itertools

from biobert_tf.checkpoints import hub
from biobert_tf.documents import jobs, places
from biobert_tf.documents.jobs import Job
from biobert_tf.documents.left_out import LeftOut
from biobert_tf.ner import document_entities
from biobert_tf.ner.annotator import Annotator
from biobert_tf.ner.settings import AnnotateConfig
from biobert_tf.training import precision


def annotate(settings: AnnotateConfig) -> str:
    """Finds the entities of documents; returns a summary in one line, to print.

    Raises:
        InputError: A model cannot be used, there is nothing to read, or the output
            cannot be written. A document that cannot be read is reported and left out.
    """
    source, output = settings.input, settings.output
    if not settings.beam.is_local:
        # A path that is relative here means nothing to other machines.
        source, output = source.absolute(), output.absolute()
    plan = places.plan(source, output, settings.input_format, settings.output_format)
    bad = LeftOut()
    models = [hub.opened(path).resolve() for path in settings.models]
    decisive: dict[str, object] = {
        # For a model of the Hub, the folder of its commit.
        "models": [*map(str, models)],
        "input_format": settings.input_format,
        "output_format": settings.output_format,
        "min_probability": settings.min_probability,
        "bad_mentions": settings.bad_mentions,
        "mixed_precision": precision.chosen(settings.device),
    }
    if any(settings.entity_types):  # Jobs that began before there were types go on.
        decisive["entity_types"] = settings.entity_types
    if settings.device.engine != "tensorflow":
        decisive["engine"] = settings.device.engine
    job = Job(plan, decisive, bad, settings.bad_mentions)
    if not job.todo:
        return f"all {len(plan.places)} files are annotated already, in {plan.folder}"
    try:
        if settings.beam.is_local:
            totals = _write(job, settings)
        else:
            from biobert_tf.ner import annotate_beam

            totals = annotate_beam.write(settings, models, plan, decisive, job, bad)
    finally:
        bad.report_others()
    return summary(totals, bad.kinds)


def summary(totals: jobs.Totals, left_out: collections.Counter[str]) -> str:
    """Returns a summary of what was written, and of what was left out, in one line."""
    written = totals.written
    by_type = ", ".join(f"{name} {n}" for name, n in sorted(written.mentions.items()))
    parts = [
        f"{written.documents} documents, {written.mentions.total()} entities"
        + (f" ({by_type})" if by_type else "")
    ]
    return "; ".join([*parts, *totals.remarks(left_out)])


def _write(job: Job, settings: AnnotateConfig) -> jobs.Totals:
    """Annotates the documents of a job on this machine; returns what was written."""
    documents = job.documents()
    first = [*itertools.islice(documents, 1)]
    annotator = Annotator(())
    if first:  # A model takes seconds to load.
        annotator = Annotator.load(
            settings.models,
            settings.device,
            settings.predict_batch_size,
            settings.entity_types,
        )
    return job.write(
        job.annotated(
            itertools.chain(first, documents),
            lambda held: annotator.annotate(map(document_entities.text_of, held)),
            lambda item, found: document_entities.mentions(
                item.loaded.document, found, settings.min_probability
            ),
            "annotating",
        )
    )
