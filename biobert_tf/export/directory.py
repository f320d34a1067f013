# SPDX-License-Identifier: Apache-2.0
"""`biobert export`: writes a directory to serve a trained model from.

saved_model.pb, variables/, tokens/, assets.extra/    see `saved_model`
litert/, onnx/                    see `litert`, `onnx`
assets/                           vocab.txt, bert_config.json, labels.json,
                                  settings.json of the training, or else the kind,
                                  the case and the length
model_card.json, model_card.md    see `model_card`
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from biobert_tf.checkpoints.released import CONFIG_NAMES, LABELS_NAME, VOCAB_NAMES
from biobert_tf.common import files, remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.export import litert, model_card, onnx, saved_model
from biobert_tf.export.settings import ExportConfig
from biobert_tf.training import run_directory
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Served

_LOG = logging.getLogger(__name__)


def write(config: ExportConfig, loaded: Loaded[Any], served: Served) -> Path:
    """Writes an export. If that fails, the directory is as before.

    Two directories cannot be swapped in one step: if the process is killed between the
    two, the directory is missing and the old one lies beside it under another name. In
    a store, which has no directories, see `put`.

    Raises:
        InputError: The directory cannot be written, or `--onnx` fails.
    """
    if config.onnx:
        onnx.require()
    with files.scratch(config.output) as folder:
        new = folder / config.output.name
        new.mkdir()
        functions = saved_model.save(served, new, config.tokens)
        _write_assets(loaded, served, new / "assets")
        lite = litert.save(loaded, served, new, config.litert)
        open_format = onnx.save(loaded, served, new) if config.onnx else {}
        shapes = saved_model.shapes(functions)
        card = model_card.make(loaded, served, shapes, lite, open_format)
        files.write_json(new / model_card.JSON, card)
        files.write_text(new / model_card.MARKDOWN, model_card.markdown(card))
        with files.explained_writing(config.output):
            put(new, config.output)
    _LOG.info("exported a model of kind %s to %s", served.kind, config.output)
    return config.output


def put(new: Path, output: Path) -> None:
    """Moves a new export to where an older one may be.

    In a store, the file that the readers of a model look for vanishes first and comes
    last; the one that tells an export from other folders, see `require_free`, is there
    from the first to the last.

    Raises:
        OSError: A file cannot be moved.
    """
    if not remote_path.is_remote(output):
        if output.exists():
            output.replace(new.with_name(f"{new.name}.old"))
        files.move(new, output)
        return
    old = [
        path for path in files.files_below(output) if path != output / model_card.JSON
    ]
    for path in sorted(old, key=lambda path: path.name != saved_model.FILE):
        path.unlink()
    parts = [path for path in new.iterdir() if path.name != saved_model.FILE]
    parts.sort(key=lambda path: path.name != model_card.JSON)
    for path in [*parts, new / saved_model.FILE]:
        files.move(path, output / path.name, last=saved_model.FILE)


def _write_assets(loaded: Loaded[Any], served: Served, directory: Path) -> None:
    """Writes the files that our own commands need to use the model."""
    directory.mkdir(exist_ok=True)
    vocab_file = loaded.tokenizer.vocab_file
    (directory / VOCAB_NAMES[0]).write_bytes(vocab_file.read_bytes())
    files.write_json(
        directory / CONFIG_NAMES[0], dataclasses.asdict(loaded.encoder_config)
    )
    recorded = loaded.found.recorded
    # The export of a released checkpoint as an encoder has no labels.
    if loaded.labels and (recorded or served.labels):
        files.write_json(directory / LABELS_NAME, {"labels": list(loaded.labels)})
    settings = {
        **(recorded or {"kind": served.kind}),
        **served.recorded,
        # Flags of the export may differ from what the training recorded.
        "do_lower_case": loaded.text.do_lower_case,
        "max_seq_length": loaded.text.max_seq_length,
    }
    files.write_json(directory / run_directory.SETTINGS_FILE, settings)


def require_free(output: Path) -> None:
    """Refuses to replace anything but an export.

    Raises:
        InputError: The path is a file, or a directory of something else.
    """
    if output.is_dir() and not any(output.iterdir()):
        return
    if output.exists() and not (output / model_card.JSON).is_file():
        raise InputError(
            f"--output={output} exists and is not an export; choose another directory"
        )
