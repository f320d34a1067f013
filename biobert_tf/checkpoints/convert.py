# SPDX-License-Identifier: Apache-2.0
"""Converts a checkpoint to another format, with the files that belong to it."""

import dataclasses
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from biobert_tf import checkpoints
from biobert_tf.checkpoints import Place, base, huggingface, tf1, tokenizer_files
from biobert_tf.checkpoints.names import SPAN_LABELS
from biobert_tf.checkpoints.released import (
    CONFIG_NAMES,
    LABELS_NAME,
    SETTINGS_NAME,
    VOCAB_NAMES,
    VOCAB_SOURCES,
    lower_cases,
    read_labels,
    read_settings,
)
from biobert_tf.checkpoints.tokenizer_files import Vocabulary
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig

ToFormat = Literal["auto", "tf1", "huggingface", "saved_model"]

_TF1_PREFIX: Final = re.compile(r"\.ckpt(-(?P<step>[0-9]+))?$")


def convert(
    source: Path,
    target: Path,
    *,
    to_format: ToFormat = "auto",
    bert_config_file: Path | None = None,
    vocab_file: Path | None = None,
    do_lower_case: bool | None = None,
    classifier: huggingface.Classifier = "auto",
    trained_as: huggingface.Classifier = "auto",
) -> str:
    """Reads the checkpoint `source` and writes it as `target`, bit for bit.

    The configuration, the vocabulary, the labels and the settings of the training
    beside the source are carried over under the names of the target's format.
    The optimizer state is not.

    Args:
        source: As for `checkpoints.locate`.
        target: A TF1 prefix, or a new or empty directory for Hugging Face.
        to_format: "auto" takes a name that ends in `.ckpt` or `.ckpt-N` for a TF1
            prefix and anything else for a directory.
        bert_config_file: The sizes of the encoder. Default: the file beside the source.
        vocab_file: A `vocab.txt` or `tokenizer.json`. Default: the file beside the
            source.
        do_lower_case: Whether Transformers shall lower-case text. Default: what the
            source says, or else whether the vocabulary has no upper-case letter.
        classifier: For Hugging Face, whether a classifier labels tokens or sequences.
            "auto" takes what a Hugging Face source says, or else `trained_as`.
        trained_as: The same for the run that wrote the source, if it is known. "auto"
            decides as `huggingface.architecture`.

    Returns:
        A report of what was done, in a few lines.

    Raises:
        InputError: The source cannot be read, something that belongs to it is
            missing or does not fit, or the target exists.
    """
    if to_format == "saved_model":
        raise InputError(
            "--to_format=saved_model: convert reads a SavedModel but cannot write one; "
            "use `biobert export`"
        )
    place = checkpoints.locate(source)
    config_file = _belonging(place, bert_config_file, CONFIG_NAMES, "bert_config_file")
    vocab_file = _belonging(place, vocab_file, VOCAB_SOURCES, "vocab_file")
    model = _Model(
        place=place,
        config=EncoderConfig.from_json(config_file),
        vocabulary=tokenizer_files.read_vocabulary(vocab_file),
        checkpoint=place.read(),
    )
    model.check(vocab_file)
    prefix = tf1.prefix_of(target)
    if to_format == "tf1" or (to_format == "auto" and _TF1_PREFIX.search(prefix.name)):
        written = _write_tf1(model, prefix)
    else:
        if classifier == "auto":
            classifier = model.classifier() or trained_as
        written = _write_huggingface(model, target, do_lower_case, classifier)
    return "\n".join([*_read_lines(model), *written])


@dataclasses.dataclass(frozen=True)
class _Model:
    """The weights that were read, and the files that belong to them."""

    place: Place
    config: EncoderConfig
    vocabulary: Vocabulary
    checkpoint: base.Checkpoint

    def check(self, vocab_file: Path) -> None:
        """Rejects parts of different models.

        Raises:
            InputError: The weights or the vocabulary do not fit the sizes.
        """
        weights = self.checkpoint.weights
        base.require_fit(weights, self.config, self.checkpoint.source)
        num_tokens = max(self.vocabulary.ids.values()) + 1
        if num_tokens > self.config.vocab_size:
            raise InputError.at(
                vocab_file,
                None,
                f"has {num_tokens} entries, and the model {self.config.vocab_size}; "
                "give the vocabulary that belongs to it",
            )

    @property
    def labels(self) -> list[str] | None:
        """Returns the labels that the head scores; None if they have no names."""
        if "output_weights" in self.checkpoint.weights:
            return read_labels(self.place)
        if "cls/squad/output_weights" in self.checkpoint.weights:
            return list(SPAN_LABELS)
        return None

    @functools.cached_property
    def settings(self) -> dict[str, object]:
        """Returns the settings of the training; empty without them."""
        return read_settings(self.place)

    @property
    def settings_files(self) -> dict[str, dict[str, object]]:
        """Returns the settings by file name; empty without them."""
        return {SETTINGS_NAME: self.settings} if self.settings else {}

    def classifier(self) -> huggingface.Classifier | None:
        """Returns what the classifier labels, according to a Hugging Face source."""
        if self.place.format == "huggingface":
            return huggingface.stored_classifier(self.place.folder)
        return None


def _belonging(
    place: Place, given: Path | None, names: Sequence[str], flag: str
) -> Path:
    """Returns the given file, or else the file beside the source."""
    found = given or place.beside(*names)
    if found is None:
        raise InputError.at(
            place.path, None, f"no {' or '.join(names)} beside it; give --{flag}"
        )
    return found


def _write_huggingface(
    model: _Model,
    directory: Path,
    do_lower_case: bool | None,
    classifier: huggingface.Classifier,
) -> list[str]:
    """Writes a Hugging Face directory; returns what was written."""
    if do_lower_case is None:
        do_lower_case = lower_cases(model.place, model.settings, model.vocabulary.ids)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError.at(directory, None, "exists; give a new or empty directory")
    weights, labels = model.checkpoint.weights, model.labels
    architecture = huggingface.architecture(weights, labels, classifier)
    huggingface.write(
        weights,
        directory,
        model.config,
        model.vocabulary,
        do_lower_case,
        labels,
        classifier,
        model.settings_files,
    )
    lines = [
        f"wrote {directory}: Hugging Face, {architecture}, "
        f"do_lower_case={do_lower_case}"
    ]
    if strangers := huggingface.leaves_out(architecture, weights):
        lines.append(
            f"with {', '.join(strangers)}, which {architecture} does not have: "
            "Transformers calls them unexpected, and loses them when it saves the model"
        )
    return lines


def _write_tf1(model: _Model, prefix: Path) -> list[str]:
    """Writes a TF1 checkpoint and its companions; returns what was written."""
    if prefix.is_dir():
        raise InputError.at(
            prefix, None, "is a directory; give a prefix in it such as bert_model.ckpt"
        )
    if prefix in tf1.prefixes_in(prefix.parent):
        raise InputError.at(prefix, None, "exists; give another name")
    companions: dict[str, Any] = {CONFIG_NAMES[0]: dataclasses.asdict(model.config)}
    if (labels := model.labels) is not None:
        companions[LABELS_NAME] = {"labels": labels}
    companions |= model.settings_files
    for name, values in companions.items():
        file = prefix.parent / name
        _reject_other(file, file.exists() and files.read_json(file) != values)
    vocab_target = prefix.parent / VOCAB_NAMES[0]
    data = model.vocabulary.data
    _reject_other(
        vocab_target, vocab_target.exists() and vocab_target.read_bytes() != data
    )
    for name, values in companions.items():
        files.write_json(prefix.parent / name, values)
    with files.replacing(vocab_target) as temporary:
        temporary.write_bytes(data)
    found = _TF1_PREFIX.search(prefix.name)
    step = int(found["step"] or 0) if found else 0
    tf1.write(model.checkpoint.weights, prefix, step)
    return [f"wrote {prefix}: TF1, global_step={step}"]


def _reject_other(file: Path, is_other: bool) -> None:
    """Raises where writing `file` would break another checkpoint beside it."""
    if is_other:
        raise InputError.at(
            file, None, "belongs to another model; give another directory"
        )


def _read_lines(model: _Model) -> list[str]:
    """Returns lines that report what was read, and what cannot be converted."""
    checkpoint = model.checkpoint
    lines = [f"read {checkpoint.source}: {len(checkpoint.weights)} weights"]
    if ignored := checkpoint.ignored:
        lines.append(f"left out {len(ignored)} entries: {base.some(ignored)}")
    if odd := tokenizer_files.peculiarities(model.place.folder):
        lines.append(f"left out of its tokenizer: {', '.join(odd)}")
    return lines
