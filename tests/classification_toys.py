"""Texts of a few words with a label, several labels or a number; a BERT of width 8.

Nothing here imports TensorFlow before it is called for.
"""

import json
from typing import ClassVar

import ner_toys
import re_toys

from biobert_tf.common import files

SINGLE = [
    {"text": "severe cancer .", "label": "bad"},
    {"text": "aspirin helps .", "label": "good"},
    # With twelve pieces to a row, this one is read in two windows.
    {"text": "aspirin helps with cancer " * 2 + "severe Liver cancer", "label": "good"},
    {"text": "severe Liver cancer .", "label": "bad"},
]
MULTI = [
    {"text": "severe cancer .", "label": ["bad", "ill"]},
    {"text": "aspirin helps .", "label": []},
    {"text": "aspirin helps with severe cancer .", "label": ["ill"]},
]
PAIRS = [
    {"text": "aspirin helps .", "pair": "aspirin helps .", "label": 1.0},
    {"text": "aspirin helps .", "pair": "severe cancer .", "label": -1.0},
    {"text": "severe cancer .", "pair": "severe Liver cancer . " * 4, "label": 0.5},
]


def write(folder, **sets):
    """Writes `train=...` as `train.jsonl` and so on; returns the folder."""
    for split, rows in sets.items():
        lines = (json.dumps(row) + "\n" for row in rows)
        files.write_text(folder / f"{split}.jsonl", "".join(lines))
    return folder


class Toy(ner_toys.Toy):
    """The inputs of a run that takes seconds, in one folder."""

    SCRIPT = "biobert classification"
    FLAGS: ClassVar = {"do_train": True, "do_predict": True}
    ROWS: ClassVar = SINGLE

    def write(self):
        write(self.data, train=self.ROWS, dev=self.ROWS, test=self.ROWS)
        ner_toys.write_released(self.released, re_toys.CONFIG, re_toys.VOCAB)


class MultiToy(Toy):
    """Several labels per text."""

    FLAGS: ClassVar = {**Toy.FLAGS, "target": "multi", "pooling": "mean"}
    ROWS: ClassVar = MULTI


class PairToy(Toy):
    """Pairs with a number."""

    FLAGS: ClassVar = {
        **Toy.FLAGS,
        "target": "regression",
        "pooling": "mean",
        "text_column": "text",
        "pair_column": "pair",
    }
    ROWS: ClassVar = PAIRS
