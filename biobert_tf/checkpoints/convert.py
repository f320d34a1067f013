# SPDX-License-Identifier: Apache-2.0
"""Converts a checkpoint to another format, with the files that belong to it."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from biobert_tf import checkpoints
from biobert_tf.checkpoints import (
    Place,
    base,
    huggingface,
    prefixes,
    tf1,
    tokenizer_files,
)
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
    recorded_pooling,
    recorded_type,
    require_size,
)
from biobert_tf.common import files, leftovers
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.labels import typed
from biobert_tf.text.tokenization import check_case

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
    record: Mapping[str, object] | None = None,
    problem_type: huggingface.ProblemType | None = None,
    untold: str = "",
) -> str:
    """Reads the checkpoint `source` and writes it as `target`, bit for bit.

    The configuration, the vocabulary, the labels and the settings of the training
    beside the source are carried over under the names of the target's format. For
    Hugging Face, labels without a type get the type that the training has recorded.
    The optimizer state is not carried over.

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
        record: What the source is a model of, if no run's settings are beside it.
            Beside a TF1 checkpoint, it is recorded with the case and the length.
        problem_type: For Hugging Face, what a classifier of texts predicts, if the
            source is not one of Hugging Face that says it.
        untold: What the files of Hugging Face say nothing of, for the report.

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
    model, lines = _read(place, bert_config_file, vocab_file)
    if do_lower_case is None:
        do_lower_case = lower_cases(place, read_settings(place), model.vocabulary.ids)
    check_case(model.vocabulary.ids, do_lower_case, model.vocab_file)
    if SETTINGS_NAME in model.beside:
        model.beside[SETTINGS_NAME]["do_lower_case"] = do_lower_case
    prefix = prefixes.prefix_of(target)
    if to_format == "tf1" or (to_format == "auto" and _TF1_PREFIX.search(prefix.name)):
        if record and model.labels is not None:
            _record(model, record, do_lower_case)
        return "\n".join([*lines, _write_tf1(model, prefix)])
    if place.format == "huggingface":
        trained_as = huggingface.stored_classifier(place.folder)
        problem_type = huggingface.problem_type(place.folder) or problem_type
    if classifier == "auto":
        classifier = trained_as
    written = _write_huggingface(
        source, model, target, do_lower_case, classifier, problem_type, untold
    )
    return "\n".join([*lines, *written])


@dataclasses.dataclass(frozen=True)
class _Model:
    """What is written: weights, and what belongs to them.

    Attributes:
        labels: The labels that the head scores; None if they have no names.
        beside: Contents of further JSON files, by name.
    """

    weights: base.Weights
    config: EncoderConfig
    vocab_file: Path
    vocabulary: tokenizer_files.Vocabulary
    labels: list[str] | None
    beside: dict[str, dict[str, object]]


def _read(
    place: Place, config_file: Path | None, vocab_file: Path | None
) -> tuple[_Model, list[str]]:
    """Returns a model whose parts fit each other, and lines that report it."""
    config_file = _belonging(place, config_file, CONFIG_NAMES, "bert_config_file")
    vocab_file = _belonging(place, vocab_file, VOCAB_SOURCES, "vocab_file")
    config = EncoderConfig.from_json(config_file)
    vocabulary = tokenizer_files.read_vocabulary(vocab_file)
    checkpoint = place.read()
    base.require_fit(checkpoint.weights, config, checkpoint.source)
    require_size(vocabulary.ids, vocab_file, config, config_file)
    lines = [f"read {checkpoint.source}: {len(checkpoint.weights)} weights"]
    if ignored := checkpoint.ignored:
        lines.append(f"left out {len(ignored)} entries: {base.some(ignored)}")
    if odd := tokenizer_files.peculiarities(place.folder):
        lines.append(f"left out of its tokenizer: {', '.join(odd)}")
    labels = None
    if "output_weights" in checkpoint.weights:
        labels = read_labels(place)
    elif "cls/squad/output_weights" in checkpoint.weights:
        labels = list(SPAN_LABELS)
    settings = read_settings(place)
    beside = {SETTINGS_NAME: settings} if settings else {}
    model = _Model(checkpoint.weights, config, vocab_file, vocabulary, labels, beside)
    return model, lines


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
    source: Path,
    model: _Model,
    directory: Path,
    do_lower_case: bool,
    classifier: huggingface.Classifier,
    problem_type: huggingface.ProblemType | None,
    untold: str,
) -> list[str]:
    """Writes a Hugging Face directory; returns what was written."""
    settings = model.beside.get(SETTINGS_NAME, {})
    if "output_weights" in model.weights and recorded_pooling(settings) != "cls":
        raise InputError.at(
            source,
            None,
            f"was trained with --pooling={settings['pooling']}, and Transformers has "
            "no classifier of texts that reads a mean; use `biobert export`",
        )
    if directory.exists() and (
        not directory.is_dir() or leftovers.is_occupied(directory)
    ):
        raise InputError.at(directory, None, "exists; give a new or empty directory")
    entity_type = recorded_type(settings)
    architecture = huggingface.write(
        model.weights,
        directory,
        model.config,
        model.vocabulary,
        do_lower_case,
        model.labels and typed(model.labels, entity_type),
        classifier,
        model.beside,
        problem_type,
    )
    lines = [
        f"wrote {directory}: Hugging Face, {architecture}, "
        f"do_lower_case={do_lower_case}"
    ]
    if strangers := huggingface.leaves_out(architecture, model.weights):
        lines.append(
            f"with {', '.join(strangers)}, which {architecture} does not have: "
            "Transformers calls them unexpected, and loses them when it saves the model"
        )
    if untold:
        lines.append(f"with {untold}; they are in {SETTINGS_NAME}")
    return lines


def _record(model: _Model, record: Mapping[str, object], do_lower_case: bool) -> None:
    """Adds settings that say what Transformers' files say; nothing else there does."""
    model.beside[SETTINGS_NAME] = {
        **record,
        "do_lower_case": do_lower_case,
        "max_seq_length": model.config.max_position_embeddings,
    }


def _write_tf1(model: _Model, prefix: Path) -> str:
    """Writes a TF1 checkpoint and its companions; returns what was written."""
    if prefix.is_dir():
        raise InputError.at(
            prefix, None, "is a directory; give a prefix in it such as bert_model.ckpt"
        )
    if prefix in prefixes.prefixes_in(prefix.parent):
        raise InputError.at(prefix, None, "exists; give another name")
    companions: dict[str, Any] = {CONFIG_NAMES[0]: dataclasses.asdict(model.config)}
    if model.labels is not None:
        companions[LABELS_NAME] = {"labels": model.labels}
    companions |= model.beside
    vocab_target = prefix.parent / VOCAB_NAMES[0]
    data = model.vocabulary.data
    # Another model's files beside it would be broken.
    others = [
        file
        for name, values in companions.items()
        if (file := prefix.parent / name).exists() and files.read_json(file) != values
    ]
    if vocab_target.exists() and vocab_target.read_bytes() != data:
        others.append(vocab_target)
    if others:
        raise InputError.at(
            others[0], None, "belongs to another model; give another directory"
        )
    found = _TF1_PREFIX.search(prefix.name)
    step = int(found["step"] or 0) if found else 0
    with base.whole_if_new(prefix.parent) as folder:
        for name, values in companions.items():
            files.write_json(folder / name, values)
        with files.replacing(folder / VOCAB_NAMES[0]) as temporary:
            temporary.write_bytes(data)
        tf1.write(model.weights, folder / prefix.name, step)
    return f"wrote {prefix}: TF1, global_step={step}"
