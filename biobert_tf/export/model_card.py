# SPDX-License-Identifier: Apache-2.0
"""The model card of an export: model_card.json and model_card.md."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import tensorflow as tf

from biobert_tf.checkpoints import native
from biobert_tf.common.version import __version__
from biobert_tf.export.settings import DTYPES
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Served

JSON: Final = "model_card.json"
MARKDOWN: Final = "model_card.md"

# The settings that name the training data.
_DATA: Final = ("data_dir", "train_file", "input_file", "corpus_file", "task_name")
_LICENCE: Final = (
    "The program that made this directory, biobert_tf, is under Apache-2.0. The "
    "weights follow from the checkpoint and from the data they were trained on; their "
    "licences say what may be done with them, and this program does not know them."
)

_INT8: Final = (
    "Rows may have any number and any length up to the positions of the model. Weights "
    "in int8 make a file about a quarter as large and its outputs a little different; "
    "score them before you use them."
)


def make(
    loaded: Loaded[Any],
    served: Served,
    signatures: Mapping[str, object],
    litert: Mapping[str, object],
) -> dict:
    """Returns the card of a model, ready for JSON.

    Args:
        loaded: The model as it was read.
        served: The model as it is exported.
        signatures: Types and shapes; see `saved_model.shapes`.
        litert: The description of the files for LiteRT; see `litert.save`.
    """
    settings, results = loaded.found.recorded, loaded.found.results
    return {
        "title": served.title,
        "kind": served.kind,
        "version": __version__,
        "tensorflow": tf.__version__,
        "dtype": DTYPES[loaded.device.mixed_precision],
        "parameters": sum(
            math.prod(weight.shape)
            for weight in native.extract(served.model.variables).values()
        ),
        "labels": list(served.labels),
        "do_lower_case": loaded.tokenizer.basic_tokenizer.do_lower_case,
        "max_seq_length": loaded.text.max_seq_length,
        "checkpoint": loaded.found.checkpoint.source.name,
        "init_checkpoint": settings.get("init_checkpoint"),
        "data": {name: settings[name] for name in _DATA if settings.get(name)},
        "scores": {
            stage: found.get("scores") or found["metrics"]
            for stage, found in results.items()
            if isinstance(found, dict) and ("scores" in found or "metrics" in found)
        },
        "global_step": results.get("global_step"),
        "settings": dict(settings),
        "signatures": dict(signatures),
        "litert": dict(litert),
        "licence": _LICENCE,
    }


def markdown(card: Mapping[str, object]) -> str:
    """Returns a card as a Markdown page."""
    parts = (_facts, _scores, _signatures, _litert, _rest)
    return "\n".join(line for part in parts for line in part(card))


def _facts(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {card['title']}"
    yield ""
    yield f"A SavedModel of biobert_tf {card['version']}, of kind `{card['kind']}`."
    yield ""
    shown = {
        "Labels": ", ".join(card["labels"]),
        "Parameters": f"{card['parameters']:,}",
        "Longest window": f"{card['max_seq_length']} WordPieces",
        "Case": "lower-cased" if card["do_lower_case"] else "kept",
        "Computed in": card["dtype"],
        "Made with": f"TensorFlow {card['tensorflow']}",
        "Checkpoint": card["checkpoint"],
        "Started from": card["init_checkpoint"],
        **{f"Data ({name})": value for name, value in card["data"].items()},
    }
    yield "| | |"
    yield "|---|---|"
    for name, value in shown.items():
        if value:
            yield f"| {name} | {value} |"
    yield ""


def _scores(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Scores"
    yield ""
    if not card["scores"]:
        yield "None are known: the training was not scored, or not by this program."
        yield ""
        return
    yield "Shares are in [0, 1]."
    yield ""
    yield "| data | measure | value |"
    yield "|---|---|---|"
    for stage, scores in card["scores"].items():
        for name, value in scores.items():
            if isinstance(value, int | float):
                yield f"| {stage} | {name} | {value:.6g} |"
    yield ""


def _signatures(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Signatures"
    yield ""
    yield from _table_of(card["signatures"])


def _table_of(signatures: Mapping[str, Any]) -> Iterator[str]:
    yield "| signature | | name | type | shape |"
    yield "|---|---|---|---|---|"
    for name, sides in signatures.items():
        for side in ("inputs", "outputs"):
            for key, entry in sides[side].items():
                shape = ["any" if size is None else size for size in entry["shape"]]
                shown = ", ".join(map(str, shape))
                yield f"| {name} | {side[:-1]} | {key} | {entry['dtype']} | [{shown}] |"
    yield ""


def _litert(card: Mapping[str, Any]) -> Iterator[str]:
    found = card["litert"]
    if not found:
        return
    yield "## LiteRT"
    yield ""
    yield "Files for LiteRT (TensorFlow Lite); ids in, numbers out."
    yield ""
    yield "| file | weights | bytes |"
    yield "|---|---|---|"
    for name, file in found["files"].items():
        yield f"| {name} | {file['weights']} | {file['bytes']:,} |"
    yield ""
    yield from _table_of({"tokens": found})
    yield _INT8
    yield ""
    yield "From this directory, after `pip install ai-edge-litert`:"
    yield ""
    yield "```python"
    yield "import numpy as np"
    yield "from ai_edge_litert.interpreter import Interpreter"
    yield ""
    yield f'interpreter = Interpreter("{next(iter(found["files"]))}")'
    yield 'run = interpreter.get_signature_runner("tokens")'
    yield "found = run("
    for name, values in found["example"].items():
        yield f"    {name}=np.array({values}, np.int32),"
    yield ")"
    yield "```"
    yield ""


def _rest(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## Settings of the training"
    yield ""
    if card["settings"]:
        for name, value in sorted(card["settings"].items()):
            yield f"    --{name}={value}"
    else:
        yield "Not known."
    yield ""
    yield "## Licence"
    yield ""
    yield card["licence"]
    yield ""
