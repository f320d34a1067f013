"""A world of fifteen pieces, with a BERT of two layers whose vectors differ.

Nothing here imports TensorFlow before it is called for.
"""

import dataclasses

import ner_toys
import numpy as np

from biobert_tf.cli import main as cli
from biobert_tf.embeddings.settings import ExtractFeaturesConfig

CONFIG = dataclasses.replace(
    ner_toys.CONFIG, num_hidden_layers=2, initializer_range=0.3
)
MAX_SEQ_LENGTH = 8

# Rows take 8 pieces. A text that fits; one of two windows; a blank line; a pair; a word
# without pieces between two others; a pair too long for a row; a word of ten pieces.
LINES = (
    "Liver cancer nephritis.",
    "  severe aspirin helps with severe nephritis . cancer",
    "",
    "aspirin helps ||| severe cancer",
    "Liver \u200b cancer",
    "Liver cancer . helps ||| severe nephritis with aspirin",
    "nephritis.nephritis.nephritis. helps",
)


def write_input(folder, lines=LINES):
    path = folder / "input.txt"
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def write_model(folder):
    return ner_toys.write_model(folder, config=CONFIG)


def argv(model, source, output, **flags):
    values = {
        "input_file": source,
        "output_file": output,
        "init_checkpoint": model,
        "max_seq_length": MAX_SEQ_LENGTH,
        "batch_size": 4,
        "layers": "-1,0",
        "strategy": "cpu",
        **flags,
    }
    words = [f"--{name}={value}" for name, value in values.items()]
    return ["biobert", "extract-features", *words]


def extract(model, source, output, **flags):
    """Runs the command; returns the path it wrote."""
    cli.main(argv(model, source, output, **flags))
    return output


def settings(**given):
    """Settings of the command, as flags would make them."""
    from biobert_tf.common import flags

    values = {
        "input_file": "in.txt",
        "output_file": "out.npz",
        "init_checkpoint": "model",
        **given,
    }
    words = [f"--{name}={value}" for name, value in values.items()]
    return flags.parse(ExtractFeaturesConfig, ["extract-features", *words])


def say(encoder, *rows):
    """What an encoder says of rows of pieces, each alone: `[length, layers, width]`.

    A row is `(pieces, number of pieces of segment 0)`; more is left alone.
    """
    import tensorflow as tf

    from biobert_tf.model import encoder as encoders

    found = []
    for pieces, num_first, *_ in rows:
        words = pieces.split()
        ids = [[ner_toys.ID[piece] for piece in words]]
        segments = [[int(i >= num_first) for i in range(len(words))]]
        batch = {"input_ids": tf.constant(ids), "segment_ids": tf.constant(segments)}
        outputs = encoder(*encoders.inputs(batch)).encoder_outputs
        found.append(np.stack([layer.numpy()[0] for layer in outputs], axis=1))
    return found
