# SPDX-License-Identifier: Apache-2.0
"""A trained model on disk: its weights, and what its settings and results say of it."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native, released
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig, ModelConfig, TextConfig
from biobert_tf.export.settings import PRECISIONS, ExportConfig, Kind
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import precision, run_directory

_LENGTHS: Final[Mapping[str, int]] = {"ner": 128, "re": 128, "qa": 384, "yesno": 384}
"""Where no settings say another; other kinds take what the model has positions for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model, read and checked, but not built.

    Attributes:
        kind: What it does.
        checkpoint: Its weights.
        encoder_config: Its sizes.
        tokenizer: Of its vocabulary.
        max_seq_length: Most pieces of a row.
        labels: What it predicts; none for an encoder.
        settings: Of its training, or of a run that predicts with it, by flag; empty if
            they are not known.
        results: Of its training, as in results.json; likewise.
        precision: What it is to compute in.
    """

    kind: Kind
    checkpoint: checkpoints.Checkpoint
    encoder_config: EncoderConfig
    tokenizer: FullTokenizer
    max_seq_length: int
    labels: tuple[str, ...]
    settings: Mapping[str, Any]
    results: Mapping[str, Any]
    precision: DeviceConfig

    def build(self, build: Any, new_head: Collection[str] = ()) -> Any:
        """Builds a model and gives it the weights.

        Args:
            build: Sizes to a model.
            new_head: Variables that may be missing, because nothing reads them.

        Raises:
            InputError: Weights are missing or of other shapes.
        """
        with precision.policy(self.precision):
            model = build(self.encoder_config)
        native.assign(
            model.variables,
            self.checkpoint.weights,
            source=self.checkpoint.source,
            new_head=new_head,
        )
        return model


def load(config: ExportConfig, settings: Mapping[str, Any] | None = None) -> Trained:
    """Reads a trained model.

    Args:
        config: Where it is, and what is asked of it.
        settings: How it predicts, by flag; default: those of its training.

    Raises:
        InputError: There is none, a file beside it is missing or malformed, or it is
            not of the kind that is asked for.
    """
    checkpoint = checkpoints.locate(config.model).read()
    if settings is None:
        settings = _beside(config.model, run_directory.SETTINGS_FILE)
    labels = released.load_labels([config.model]) or ()
    found = _kind(checkpoint, settings, labels)
    kind: Kind = found if config.kind == "auto" else config.kind
    if kind not in (found, "encoder"):
        raise InputError.at(
            config.model,
            None,
            f"is a model of kind {found}, not {kind}; leave --kind out, or say encoder",
        )
    model = ModelConfig(init_checkpoint=config.model)
    text = TextConfig(
        do_lower_case=_first(
            config.do_lower_case, settings.get("do_lower_case"), False
        ),
        max_seq_length=_first(
            config.max_seq_length,
            settings.get("max_seq_length"),
            _LENGTHS.get(kind),
            _positions(model, config.model),
        ),
    )
    parts = released.load(text, model, config.model)
    return Trained(
        kind=kind,
        checkpoint=checkpoint,
        encoder_config=parts.encoder_config,
        tokenizer=parts.tokenizer,
        max_seq_length=text.max_seq_length,
        labels=labels if kind in ("ner", "re", "yesno") else (),
        settings=settings,
        results=_beside(config.model, run_directory.RESULTS_FILE),
        precision=DeviceConfig(mixed_precision=PRECISIONS[config.dtype]),
    )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _positions(model: ModelConfig, place: Path) -> int:
    config, _ = released.load_config(TextConfig(max_seq_length=3), model, place)
    return config.max_position_embeddings


def _beside(model: Path, name: str) -> dict[str, Any]:
    path = checkpoints.locate(model).beside(name)
    return files.read_json(path) if path else {}


def _kind(
    checkpoint: checkpoints.Checkpoint,
    settings: Mapping[str, Any],
    labels: Collection[str],
) -> Kind:
    """Says what the weights are of.

    Raises:
        InputError: They are of a classifier whose labels are unknown.
    """
    weights = checkpoint.weights
    if f"{heads.SpanClassifier.scope}output_weights" in weights:
        return "qa"
    if "output_weights" not in weights:
        return "masked_lm" if "cls/predictions/output_bias" in weights else "encoder"
    if not labels:
        raise InputError.at(
            checkpoint.source,
            None,
            "the model's labels are unknown: there is no labels.json beside it; add "
            'one, {"labels": ["O", "B", "I"]} in the order of the ids',
        )
    if settings.get("question_type") == "yesno":
        return "yesno"
    if "task_name" in settings or not any(label[0] in "BI" for label in labels):
        return "re"
    return "ner"
