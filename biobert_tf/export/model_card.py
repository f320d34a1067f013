# SPDX-License-Identifier: Apache-2.0
"""The model card of an export: model_card.json and model_card.md."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import tensorflow as tf

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
_NO_SCORES: Final = (
    "None are known: the training was not scored, or not by this program."
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
    onnx: Mapping[str, object],
) -> dict:
    """Returns the card of a model, ready for JSON.

    For `signatures` see `saved_model.shapes`, for `litert` and `onnx` the `save`
    of these modules.
    """
    settings, results = loaded.found.recorded, loaded.found.results
    if "kind" in settings:
        settings = {}  # They are of an export or a conversion, not of a training.
    return {
        "title": served.title,
        "kind": served.kind,
        "version": __version__,
        "tensorflow": tf.__version__,
        "dtype": DTYPES[loaded.device.mixed_precision],
        "parameters": sum(math.prod(v.shape) for v in served.model.variables),
        "labels": list(served.labels),
        "answers": dict(served.answers),
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
        "onnx": dict(onnx),
        "licence": _LICENCE,
    }


def markdown(card: Mapping[str, Any]) -> str:
    """Returns a card as a Markdown page."""
    facts = {
        "Labels": ", ".join(card["labels"]),
        **{
            name.replace("_", " ").capitalize(): _shown(value)
            for name, value in card["answers"].items()
        },
        "Parameters": f"{card['parameters']:,}",
        "Longest window": f"{card['max_seq_length']} WordPieces",
        "Case": "lower-cased" if card["do_lower_case"] else "kept",
        "Computed in": card["dtype"],
        "Made with": f"TensorFlow {card['tensorflow']}",
        "Checkpoint": card["checkpoint"],
        "Started from": card["init_checkpoint"],
        **{f"Data ({name})": value for name, value in card["data"].items()},
    }
    scores = [
        (stage, name, f"{value:.6g}")
        for stage, found in card["scores"].items()
        for name, value in found.items()
        if isinstance(value, int | float)
    ]
    score_blocks = [
        "Shares are in [0, 1].",
        _table("| data | measure | value |", scores),
    ]
    settings = [f"    --{k}={v}" for k, v in sorted(card["settings"].items())]
    blocks = [
        f"# {card['title']}",
        f"A SavedModel of biobert_tf {card['version']}, of kind `{card['kind']}`.",
        _table("| | |", [(name, value) for name, value in facts.items() if value]),
        "## Scores",
        *(score_blocks if card["scores"] else [_NO_SCORES]),
        "## Signatures",
        _signatures(card["signatures"]),
        *(_litert(card["litert"]) if card["litert"] else ()),
        *(_onnx(card["onnx"]) if card["onnx"] else ()),
        "## Settings of the training",
        "\n".join(settings) or "Not known.",
        "## Licence",
        card["licence"],
    ]
    return "\n\n".join(blocks) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number:.6g}" for name, number in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _table(head: str, rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *lines])


def _signatures(signatures: Mapping[str, Any]) -> str:
    rows = []
    for name, sides in signatures.items():
        for side in ("inputs", "outputs"):
            for key, entry in sides[side].items():
                shape = ["any" if size is None else size for size in entry["shape"]]
                shown = f"[{', '.join(map(str, shape))}]"
                rows.append((name, side[:-1], key, entry["dtype"], shown))
    return _table("| signature | | name | type | shape |", rows)


def _litert(found: Mapping[str, Any]) -> Iterator[str]:
    """Yields the blocks about the files for LiteRT."""
    yield "## LiteRT"
    yield "Files for LiteRT (TensorFlow Lite); ids in, numbers out."
    rows = [(k, v["weights"], f"{v['bytes']:,}") for k, v in found["files"].items()]
    yield _table("| file | weights | bytes |", rows)
    yield _signatures({"tokens": found})
    yield _INT8
    yield "From this directory, after `pip install ai-edge-litert`:"
    arguments = "".join(
        f"    {name}=np.array({values}, np.int32),\n"
        for name, values in found["example"].items()
    )
    yield f"""```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter("{next(iter(found["files"]))}")
run = interpreter.get_signature_runner("tokens")
found = run(
{arguments})
```"""


def _onnx(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## ONNX"
    yield (
        f"`{found['file']}` ({found['bytes']:,} bytes, opset {found['opset']}) has the "
        "inputs and the numeric outputs of `tokens`. For the example, ONNX Runtime's "
        f"outputs differed from TensorFlow's by {found['difference']:.1e}."
    )
