# SPDX-License-Identifier: Apache-2.0
"""A checkpoint from one format to the other, with everything that belongs to it."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from biobert_tf import checkpoints, files
from biobert_tf.checkpoints import base, huggingface, tf1
from biobert_tf.config import EncoderConfig
from biobert_tf.errors import InputError

ToFormat = Literal["auto", "tf1", "huggingface"]

CONFIG_NAMES: Final = ("bert_config.json", "config.json")
VOCAB_NAMES: Final = ("vocab.txt",)
LABELS_NAME: Final = "labels.json"
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
) -> str:
    """Reads the checkpoint `source` and writes it as `target`, bit for bit.

    The configuration, the vocabulary and the labels beside the source are carried
    over under the names of the target's format. Optimizer state is not.

    Args:
        source: As for `checkpoints.read`.
        target: A TF1 prefix, or a new or empty directory for Hugging Face.
        to_format: "auto" takes a name that ends in `.ckpt` or `.ckpt-N` for a TF1
            prefix and anything else for a directory.
        bert_config_file: Default: the file beside the source.
        vocab_file: Default: the file beside the source.
        do_lower_case: Written for Transformers. Default: what the source says, or
            else whether the vocabulary has no upper-case letter.
        classifier: For Hugging Face, what a classifier labels; see
            `huggingface.architecture`.

    Returns:
        What was done, in a few lines.

    Raises:
        InputError: The source cannot be read, something that belongs to it is
            missing or does not fit, or the target exists.
    """
    config_file = _belonging(source, bert_config_file, CONFIG_NAMES, "bert_config_file")
    vocabulary = _belonging(source, vocab_file, VOCAB_NAMES, "vocab_file")
    config = EncoderConfig.from_json(config_file)
    checkpoint = checkpoints.read(source)
    base.require_fit(checkpoint.weights, config, checkpoint.source)
    labels = read_labels(source) if "output_weights" in checkpoint.weights else None
    prefix = tf1.prefix_of(target)
    if to_format == "tf1" or (to_format == "auto" and _TF1_PREFIX.search(prefix.name)):
        written = _write_tf1(checkpoint.weights, prefix, config, vocabulary, labels)
    else:
        if do_lower_case is None:
            do_lower_case = _lower_cases(source, vocabulary)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError.at(target, None, "exists; give a new or empty directory")
        huggingface.write(
            checkpoint.weights,
            target,
            config,
            vocabulary,
            do_lower_case,
            labels,
            classifier,
        )
        model = huggingface.architecture(checkpoint.weights, labels, classifier)
        written = f"{target}: Hugging Face, {model}, do_lower_case={do_lower_case}"
    return "\n".join([*_read_lines(checkpoint), f"wrote {written}"])


def read_labels(path: Path) -> list[str] | None:
    """Returns the labels stored beside a checkpoint, in the order of their ids.

    Args:
        path: As for `checkpoints.read`.

    Returns:
        Those of `labels.json`, or else of the `id2label` of a Hugging Face
        `config.json`; None where there is neither.

    Raises:
        InputError: `labels.json` is not `{"labels": ["...", ...]}`.
    """
    file = checkpoints.companion(path, [LABELS_NAME])
    if file is None:
        if checkpoints.form(path) == "huggingface":
            return huggingface.labels(checkpoints.folder(path))
        return None
    labels = files.read_json(file).get("labels")
    if not isinstance(labels, list) or not all(isinstance(x, str) for x in labels):
        raise InputError.at(file, None, 'expected {"labels": ["...", ...]}')
    return labels


def _belonging(
    source: Path, given: Path | None, names: Sequence[str], flag: str
) -> Path:
    """Returns the file that was given, or the one beside the source."""
    found = given or checkpoints.companion(source, names)
    if found is None:
        raise InputError.at(
            source, None, f"no {' or '.join(names)} beside it; give --{flag}"
        )
    return found


def _lower_cases(source: Path, vocabulary: Path) -> bool:
    """Says whether text is lower-cased before the vocabulary of `source` is used."""
    file = checkpoints.companion(source, ["tokenizer_config.json"])
    stored = files.read_json(file).get("do_lower_case") if file else None
    if isinstance(stored, bool):
        return stored
    # TF1 checkpoints do not say; but a lower-casing tokenizer never produces a piece
    # that lower-casing would change, apart from special ones such as [CLS].
    pieces = files.read_text(vocabulary).split("\n")
    return all(piece == piece.lower() for piece in pieces if not piece.startswith("["))


def _write_tf1(
    weights: base.Weights,
    prefix: Path,
    config: EncoderConfig,
    vocabulary: Path,
    labels: Sequence[str] | None,
) -> str:
    """Writes a TF1 checkpoint and its companions; returns what was written."""
    if prefix.is_dir():
        raise InputError.at(
            prefix, None, "is a directory; give a prefix in it such as bert_model.ckpt"
        )
    if prefix in tf1.prefixes_in(prefix.parent):
        raise InputError.at(prefix, None, "exists; give another name")
    companions: dict[str, Any] = {CONFIG_NAMES[0]: dataclasses.asdict(config)}
    if labels is not None:
        companions[LABELS_NAME] = {"labels": list(labels)}
    vocab_text = files.read_text(vocabulary)
    for name, values in companions.items():
        file = prefix.parent / name
        _reject_other(file, file.exists() and files.read_json(file) != values)
    vocab_target = prefix.parent / VOCAB_NAMES[0]
    _reject_other(
        vocab_target,
        vocab_target.exists() and files.read_text(vocab_target) != vocab_text,
    )
    for name, values in companions.items():
        files.write_json(prefix.parent / name, values)
    files.write_text(vocab_target, vocab_text)
    found = _TF1_PREFIX.search(prefix.name)
    step = int(found["step"] or 0) if found else 0
    tf1.write(weights, prefix, step)
    return f"{prefix}: TF1, global_step={step}"


def _reject_other(file: Path, is_other: bool) -> None:
    """Raises where writing `file` would break another checkpoint beside it."""
    if is_other:
        raise InputError.at(
            file, None, "belongs to another model; give another directory"
        )


def _read_lines(checkpoint: base.Checkpoint) -> list[str]:
    """Returns what was read and what was left out."""
    lines = [f"read {checkpoint.source}: {len(checkpoint.weights)} weights"]
    if checkpoint.ignored:
        ignored = checkpoint.ignored
        lines.append(f"left out {len(ignored)} entries: {base.some(ignored)}")
    return lines
