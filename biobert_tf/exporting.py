# SPDX-License-Identifier: Apache-2.0
"""`biobert export`: a trained model in, a directory to serve it from out.

saved_model.pb, variables/, tokens/    see `saved_model`
litert/                                see `litert`
assets/                                vocab.txt, bert_config.json, labels.json,
                                       settings.json of the training
assets.extra/                          see `warmup`
model_card.json, model_card.md         see `model_card`
"""

import contextlib
import dataclasses
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.checkpoints import released, tf1
from biobert_tf.checkpoints.convert import CONFIG_NAMES, LABELS_NAME, VOCAB_NAMES
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import to_dict
from biobert_tf.embeddings import graph as encoder_graph
from biobert_tf.export import litert, model_card, saved_model, trained, warmup
from biobert_tf.export.served import Served
from biobert_tf.export.settings import DTYPES, ExportConfig
from biobert_tf.export.trained import Trained
from biobert_tf.ner import graph as ner_graph
from biobert_tf.pretraining import graph as masked_lm_graph
from biobert_tf.qa import graph as qa_graph
from biobert_tf.qa import yesno_graph
from biobert_tf.relations import graph as re_graph
from biobert_tf.training import precision, run_directory

_LOG = logging.getLogger(__name__)

_SERVE: Final[Mapping[str, Callable[[Trained], Served]]] = {
    "encoder": encoder_graph.serve,
    "masked_lm": masked_lm_graph.serve,
    "ner": ner_graph.serve,
    "qa": qa_graph.serve,
    "re": re_graph.serve,
    "yesno": yesno_graph.serve,
}


def export(config: ExportConfig, settings: Mapping[str, Any] | None = None) -> Path:
    """Exports a model; the directory is whole or as it was before.

    Args:
        config: What to export, and where to.
        settings: How it predicts, by flag; default: as it was trained.

    Returns:
        The directory.

    Raises:
        InputError: The model cannot be read, or the directory holds something else.
    """
    _require_free(config.output)
    found = trained.load(config, settings)
    served = _SERVE[found.kind](found)
    with _replacing_directory(config.output) as directory:
        functions = saved_model.save(served, directory, config.tokens)
        labels = released.load_labels([config.model]) if found.settings else None
        _write_assets(found, labels or found.labels, directory / "assets")
        warmup.write(directory, served.example)
        lite = litert.save(found, served, directory, config.litert)
        card = model_card.make(found, served, saved_model.shapes(functions), lite)
        files.write_json(directory / model_card.JSON, card)
        files.write_text(directory / model_card.MARKDOWN, model_card.markdown(card))
    _LOG.info("exported a model of kind %s to %s", served.kind, config.output)
    return config.output


def export_run(settings: Any) -> Path:
    """Exports the model of a run to `export` in its directory: as the run predicts.

    A run that has only predicted has no weights of its own; then those that it was
    given are exported.

    Args:
        settings: Of a script.

    Returns:
        The directory.
    """
    output_dir = settings.stages.output_dir
    init_checkpoint = settings.model.init_checkpoint
    has_weights = bool(tf1.prefixes_in(output_dir)) or init_checkpoint is None
    return export(
        ExportConfig(
            model=output_dir if has_weights else init_checkpoint,
            output=output_dir / "export",
            do_lower_case=settings.text.do_lower_case,
            max_seq_length=settings.text.max_seq_length,
            dtype=DTYPES[precision.chosen(settings.device)],
        ),
        to_dict(settings),
    )


def _write_assets(found: Trained, labels: Sequence[str], directory: Path) -> None:
    """Writes what else our own commands need to use the model."""
    directory.mkdir(exist_ok=True)
    shutil.copyfile(found.tokenizer.vocab_file, directory / VOCAB_NAMES[0])
    files.write_json(
        directory / CONFIG_NAMES[0], dataclasses.asdict(found.encoder_config)
    )
    if labels:
        files.write_json(directory / LABELS_NAME, {"labels": list(labels)})
    if found.settings:
        files.write_json(directory / run_directory.SETTINGS_FILE, dict(found.settings))


def _require_free(output: Path) -> None:
    """Refuses to replace anything but an export.

    Raises:
        InputError: The path is a file, or a directory of something else.
    """
    if output.is_dir() and not any(output.iterdir()):
        return
    if output.exists() and not (output / model_card.JSON).is_file():
        raise InputError(
            f"--output={output} exists and is no export; choose another directory"
        )


@contextlib.contextmanager
def _replacing_directory(output: Path) -> Iterator[Path]:
    """Gives a new directory that takes the place of `output` if the block succeeds.

    Two directories cannot change places at one instant: a kill in between leaves
    none, and the old one under another name beside it.

    Raises:
        InputError: The place cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    except OSError as error:
        raise InputError(
            f"--output={output}: cannot be written: {error.strerror}; choose another"
        ) from None
    try:
        # mkdtemp makes directories private; this one is made as all others.
        new = work / "new"
        new.mkdir()
        yield new
        if output.exists():
            os.replace(output, work / "old")
        os.replace(new, output)
    finally:
        shutil.rmtree(work, ignore_errors=True)
