# SPDX-License-Identifier: Apache-2.0
r"""Compares the speed of feature extraction with plain batches of eight texts.

    biobert corpus --input='pubmed/*.xml.gz' --output=corpus.txt
    python -m benchmarks.extract_features --model=DIR --input=corpus.txt --do_lower_case

DIR is a checkpoint with its vocabulary and configuration; the input is text, one
sentence per line. Both ways compute, from text to numbers in memory, the mean of the
last layer over the pieces of each sentence. The plain way takes eight sentences at a
time in the order of the file and pads them all to --max_seq_length.

Both ways first see some of the texts, so that the tracing that TensorFlow does once for
every shape is not timed. Then they take turns in one process, so that the ratios hold
on a busy machine. The program prints texts per second, by the clock and by the
processor time of all cores.
"""

import functools
import itertools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks import turns
from biobert_tf.common.settings import DeviceConfig, ModelConfig, TextConfig
from biobert_tf.embeddings import extraction, reading
from biobert_tf.embeddings.extraction import Extractor
from biobert_tf.embeddings.reading import Text
from biobert_tf.embeddings.settings import Layers, VectorConfig
from biobert_tf.model import encoder as encoders

LAST_LAYER = VectorConfig(layers=Layers.parse("-1"), pooling="mean")
PLAIN_BATCH = 8
NUM_WARM_UP = 500
CLOSE = 1e-4

Way = Callable[[Sequence[Text]], np.ndarray]


def ours(extractor: Extractor) -> Way:
    """Returns the package's way to embed texts."""

    def way(texts: Sequence[Text]) -> np.ndarray:
        found = extractor.embed(texts, LAST_LAYER)
        return np.stack([one.vectors[0] for one in found])

    return way


def plain(extractor: Extractor, max_seq_length: int) -> Way:
    """Returns the plain way to embed texts, with the same encoder."""
    network = extractor.network

    @tf.function
    def last_layer(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return network.encoder(*encoders.inputs(batch)).sequence_output

    def way(texts: Sequence[Text]) -> np.ndarray:
        means = []
        for start in range(0, len(texts), PLAIN_BATCH):
            some = texts[start : start + PLAIN_BATCH]
            ids = [extractor.framer.truncated(t).rows[0].input_ids for t in some]
            batch = np.zeros([2, PLAIN_BATCH, max_seq_length], np.int32)
            for i, row in enumerate(ids):
                batch[0, i, : len(row)] = row
                batch[1, i, : len(row)] = 1
            inputs = {"input_ids": batch[0], "input_mask": batch[1]}
            outputs = last_layer(
                {name: tf.constant(values) for name, values in inputs.items()}
            ).numpy()
            for row, output in zip(ids, outputs, strict=False):
                pieces = output[1 : len(row) - 1]
                means.append(pieces.mean(axis=0) if len(pieces) else output[0] * 0)
        return np.stack(means)

    return way


def main() -> None:
    """Prints the texts per second of both ways, and their ratio."""
    parser = turns.parser(__doc__, turns=3)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--do_lower_case", action="store_true")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--max_seq_length", type=int, default=128)
    flags = parser.parse_args()
    extractor = extraction.load(
        TextConfig(
            do_lower_case=flags.do_lower_case, max_seq_length=flags.max_seq_length
        ),
        ModelConfig(init_checkpoint=flags.model),
        DeviceConfig(),
        flags.batch_size,
    )
    lines = reading.read_texts(flags.input)
    # A blank line ends a document; it is not a sentence.
    sentences = (text for text in lines if text.first.text)
    texts = list(itertools.islice(sentences, flags.texts))
    lengths = [len(extractor.framer.truncated(t).tokens) for t in texts]
    fitting = [t for t in texts if not extractor.framer.truncated(t).num_lost]
    print(
        f"{len(fitting)} of {len(texts)} texts fit into {flags.max_seq_length} pieces; "
        f"{statistics.mean(lengths):.1f} pieces on average"
    )
    ways = {"plain": plain(extractor, flags.max_seq_length), "ours": ours(extractor)}
    plain_vectors, our_vectors = (way(fitting[:NUM_WARM_UP]) for way in ways.values())
    worst = float(np.abs(plain_vectors - our_vectors).max())
    if worst > CLOSE:
        raise SystemExit(f"the two ways differ by {worst}")
    print(f"{flags.turns} turns; vectors differ by {worst:.1e} at most")
    times = turns.seconds_of_turns(
        {name: functools.partial(way, fitting) for name, way in ways.items()},
        flags.turns,
    )
    for field, unit in (("clock", "texts/s"), ("cores", "texts per second of a core")):
        seconds = {k: [getattr(one, field) for one in v] for k, v in times.items()}
        for name, values in seconds.items():
            print(f"{name:6} {len(fitting) / statistics.median(values):8.1f} {unit}")
        print(f"ratio ours / plain: {turns.ratios(seconds['ours'], seconds['plain'])}")


if __name__ == "__main__":
    main()
