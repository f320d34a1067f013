"""Texts of a few words with a label, several labels or a number; a BERT of width 8.

Nothing here imports TensorFlow before it is called for.
"""

import dataclasses
import json
import random
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

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


class Model(NamedTuple):
    """What a model of random weights is; see `write_model`."""

    target: str
    labels: tuple[str, ...]
    has_pairs: bool = False
    pooling: str = "cls"
    window_pooling: str = "mean"
    long_texts: str = "windows"
    thresholds: Mapping[str, float] = {}

    @property
    def recorded(self):
        """What a run records of it, as far as it matters."""
        names = ("pooling", "window_pooling", "long_texts")
        facts = ("target", "has_pairs", "thresholds")
        return {
            **{name: getattr(self, name) for name in names},
            "max_seq_length": 12,
            "do_lower_case": False,
            "classification": {name: getattr(self, name) for name in facts},
        }


LABELS = ("bad", "good", "ill")
MODELS = {
    "single": Model("single", LABELS),
    "single_mean": Model(
        "single",
        LABELS[:2],
        pooling="mean",
        window_pooling="max",
        thresholds={"good": 0.2},
    ),
    "multi": Model(
        "multi", LABELS, window_pooling="max", thresholds={"bad": 0.3, "ill": 0.7}
    ),
    "multi_mean_cut": Model("multi", LABELS, pooling="mean", long_texts="cut"),
    "regression": Model("regression", ("number",)),
    "single_pairs": Model("single", LABELS, has_pairs=True, pooling="mean"),
    "multi_pairs": Model("multi", LABELS, has_pairs=True, window_pooling="max"),
    "regression_pairs": Model("regression", ("number",), has_pairs=True),
    "regression_pairs_cut": Model(
        "regression", ("number",), has_pairs=True, pooling="mean", long_texts="cut"
    ),
}


def write_model(folder, model):
    """Writes a model of random weights, as a finished training leaves it.

    Its logits have mean 0 and deviation 2, so that texts differ in their labels.
    """
    import numpy as np

    from biobert_tf.model import heads

    ner_toys.write_vocab(folder / "vocab.txt", re_toys.VOCAB)
    config = dataclasses.replace(ner_toys.STRONG, vocab_size=len(re_toys.VOCAB))
    network = heads.SequenceClassifier(
        config, len(model.labels), seed=4, pooling=model.pooling
    )
    rng = np.random.default_rng(0)
    ids = rng.integers(5, len(re_toys.VOCAB), (50, 9)).astype(np.int32)
    ids[:, 0] = re_toys.ID["[CLS]"]
    ones = np.ones_like(ids)
    segments = ones * (model.has_pairs & (np.arange(9) > 4))
    rows = {"input_ids": ids, "input_mask": ones, "segment_ids": segments}
    logits = network(rows)["logits"].numpy()
    scale = 2 / logits.std(0)
    network.output_weights.assign(network.output_weights * scale[:, np.newaxis])
    network.output_bias.assign(-logits.mean(0) * scale)
    ner_toys.save_model(network, model.labels, folder)
    files.write_json(folder / "settings.json", model.recorded)
    return folder


def load(folder, **device):
    """A model as commands read it."""
    from biobert_tf.classification.problem import CLASSIFICATION
    from biobert_tf.common.settings import DeviceConfig

    return CLASSIFICATION.load(folder, DeviceConfig(strategy="cpu", **device))


def predicted(loaded, texts, pairs=None):
    """The examples, their records, and what a run predicts for them."""
    from biobert_tf.classification import tasks
    from biobert_tf.classification.examples import TextExample

    task, _ = tasks.of_model(loaded)
    examples = [
        TextExample(id=str(i), line=i + 1, text=text, pair=pairs and pairs[i])
        for i, text in enumerate(texts)
    ]
    records = task.featurize(examples)
    arrays = loaded.estimator(task).predict([r.features for r in records], batch_size=4)
    return examples, records, task.decode(examples, records, arrays)


def texts(seed, number):
    """Texts of no, some or many words."""
    rng = random.Random(seed)
    words = ["aspirin", "Liver", "cancer", "nephritis", "helps", "zebra", "\u00e9", "."]
    counts = [0, 1, 4, 9, 40]
    return [" ".join(rng.choices(words, k=rng.choice(counts))) for _ in range(number)]
