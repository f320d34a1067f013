# SPDX-License-Identifier: Apache-2.0
"""A file of labelled words to TFRecords: ours, and in the structure of the original.

The original (dmis-lab/biobert, run_ner.py) cuts every word anew, writes the labels to a
file again for every sentence, fills rows up number by number, and makes a
tf.train.Example of each. This is our own code for that; the tokenizer is ours without
its cache, which is faster than the original's.
"""

import os
import pickle
from pathlib import Path
from typing import Final

import tensorflow as tf

from benchmarks.peers.rows import Prepared
from biobert_tf.ner import reading
from biobert_tf.ner.reading import NerExample
from biobert_tf.ner.task import NerTask
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import records

LENGTH: Final = 128
LABELS: Final = ("[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]")


def ours(folder: Path) -> Prepared:
    """Converts as `biobert ner` does."""
    target = folder / f"ours-{os.getpid()}.tf_record"

    def convert() -> int:
        task = NerTask(_tokenizer(folder), ("O", "B", "I"), LENGTH, "fixed")
        rows = task.featurize(_read(folder))
        return records.write(target, (row.features for row in rows), task.specs)

    return Prepared(convert, (), {"records": convert()})


def original(folder: Path) -> Prepared:
    """Converts in the original's way."""
    target = folder / f"original-{os.getpid()}.tf_record"

    def convert() -> int:
        tokenizer, examples = _tokenizer(folder), _read(folder)
        with tf.io.TFRecordWriter(str(target)) as writer:
            for example in examples:
                writer.write(_serialized(example, tokenizer, target.with_suffix("")))
        return len(examples)

    return Prepared(convert, (), {"records": convert()})


def _tokenizer(folder: Path) -> FullTokenizer:
    return FullTokenizer(folder / "model" / "vocab.txt", None)


def _read(folder: Path) -> list[NerExample]:
    return reading.read_examples(folder / "all.tsv", "fixed", needs_labels=True)


def _serialized(example: NerExample, tokenizer: FullTokenizer, labels: Path) -> bytes:
    ids = {label: i for i, label in enumerate(LABELS)}
    labels.write_bytes(pickle.dumps(ids))
    pieces, names = ["[CLS]"], ["[CLS]"]
    for word, label in zip(example.words, example.labels or (), strict=True):
        own = [
            piece
            for chunk in tokenizer.basic_tokenizer.tokenize(word)
            for piece in tokenizer.wordpiece_tokenizer.tokenize(chunk)
        ]
        pieces += own
        names += [label, *["X"] * (len(own) - 1)][: len(own)]
    pieces = [*pieces[: LENGTH - 1], "[SEP]"]
    names = [*names[: LENGTH - 1], "[SEP]"]
    columns: dict[str, list[int]] = {
        "input_ids": tokenizer.convert_tokens_to_ids(pieces),
        "input_mask": [1] * len(pieces),
        "segment_ids": [0] * len(pieces),
        "label_ids": [ids[name] for name in names],
    }
    while len(columns["input_ids"]) < LENGTH:
        for values in columns.values():
            values.append(0)
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        for name, values in columns.items()
    }
    features_of_row = tf.train.Features(feature=features)
    made: bytes = tf.train.Example(features=features_of_row).SerializeToString()
    return made
