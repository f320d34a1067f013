"""Entities found inside a graph are those of `NerTask`."""

import random

import ner_toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.common.settings import DeviceConfig, RunConfig
from biobert_tf.export import word_windows
from biobert_tf.model import heads
from biobert_tf.ner import features as ner_features
from biobert_tf.ner import graph as ner_graph
from biobert_tf.ner import task as ner
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator

UNTYPED = ("O", "B", "I")
# Of partially labelled sets: a sentence is read in a frame.
PARTIAL = ("O", "O-Chem", "O-Dis", "B-Chem", "I-Chem", "B-Dis", "I-Dis")
ORDER = ("I-Dis", "O", "B-Chem", "X", "B-Dis", "[CLS]")


class World:
    """A model, as a graph and as the annotator uses it."""

    def __init__(self, folder, labels, max_seq_length=12):
        tokenizer = FullTokenizer(ner_toys.write_vocab(folder / "vocab.txt"))
        self.task = ner.NerTask(
            tokenizer=tokenizer,
            labels=labels,
            max_seq_length=max_seq_length,
            compat="fixed",
        )
        device = DeviceConfig(strategy="cpu")
        self.estimator = Estimator(
            self.task,
            ner_toys.STRONG,
            strategy=strategies.build_strategy(device),
            device=device,
            run=RunConfig(),
            model_dir=folder,
        )
        model = self.estimator.model
        graph = ner_graph.NerGraph(model, self.task)
        self.answer = tf.function(
            graph.answer,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def differences(self, texts):
        """Compares every text; returns how many entities there are."""
        found = {name: values.numpy() for name, values in self.answer(texts).items()}
        wanted = ner_toys.annotated(self.task, self.estimator, texts, batch_size=4)
        num_entities = 0
        for i, (text, (example, prediction)) in enumerate(
            zip(texts, wanted, strict=True)
        ):
            num_words = len(example.words)
            assert strings(found["words"][i]) == list(example.words)
            assert strings(found["labels"][i]) == list(prediction.labels)
            spans = list(zip(found["starts"][i], found["ends"][i], strict=True))
            assert [cut(text, *span) for span in spans[:num_words]] == list(
                example.words
            )
            assert spans[num_words:] == [(-1, -1)] * (len(spans) - num_words)
            self._check_entities(text, spans, prediction.entities, i, found)
            num_entities += len(prediction.entities)
        return num_entities

    def _check_entities(self, text, spans, entities, i, found):
        names = strings(found["entities"][i])
        types = strings(found["entity_types"][i])
        assert types == [entity.type for entity in entities]
        for k, entity in enumerate(entities):
            start, end = spans[entity.start][0], spans[entity.end - 1][1]
            assert found["entity_starts"][i, k] == start
            assert found["entity_ends"][i, k] == end
            assert names[k] == cut(text, start, end)
        probabilities = [entity.probability for entity in entities]
        np.testing.assert_allclose(
            found["entity_probabilities"][i, : len(entities)], probabilities, atol=1e-5
        )


def strings(row):
    """The strings of a row, without its padding."""
    return [value.decode() for value in row if value]


def cut(text, start, end):
    return text.encode()[start:end].decode()


def texts(seed, number):
    rng = random.Random(seed)
    words = ["aspirin", "Liver", "cancer", "nephritis", "nephritiss", "severe", "with"]
    words += [
        "zebra",
        ".",
        "-",
        "a\u00ad",
        "\u00ad",
        "\u4e2d",
        "\u03b1-\u03b2/c",
        "\u00e9",
    ]
    return [
        rng.choice(["", " "])
        + " ".join(rng.choices(words, k=rng.choice([0, 2, 9, 60])))
        for _ in range(number)
    ]


@pytest.mark.parametrize(
    "labels", [ner_toys.LABELS, UNTYPED, ner_toys.ORIGINAL_LABELS, ORDER, PARTIAL]
)
def test_equal_to_the_annotator(tmp_path, labels):
    world = World(tmp_path, labels)
    # A frame leaves room for three pieces.
    assert world.differences(texts(1, 60)) > (20 if labels == PARTIAL else 100)
    world.differences(["", " ", "."])
    found = world.answer(tf.constant([], tf.string))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        found, (0, 0)
    )


@pytest.mark.parametrize("room", [1, 2, 5, 6])
def test_windows_are_those_of_the_training(room):
    rng = random.Random(room)
    rows = [
        [rng.randint(1, room) for _ in range(rng.choice([0, 1, 7, 40]))]
        for _ in range(50)
    ]
    lengths = [length for row in rows for length in row]
    places = np.cumsum([0, *lengths], dtype=np.int32)
    splits = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    found = word_windows.cut(tf.constant(places), tf.constant(splits), room)
    spans, owners = [], []
    for first, row in zip(splits, rows, strict=False):
        for window in ner_features.cut_windows(row, room):
            owners += [len(spans)] * len(window.decides)
            spans.append((first + window.start, first + window.end))
    starts, ends = found.starts.numpy(), found.ends.numpy()
    assert list(zip(starts, ends, strict=True)) == spans
    assert found.owners.numpy().tolist() == owners


def test_scores_of_pieces(tmp_path):
    tokenizer = FullTokenizer(ner_toys.write_vocab(tmp_path / "vocab.txt"))
    model = heads.TokenClassifier(ner_toys.CONFIG, len(ner_toys.LABELS), seed=1)
    task = ner.NerTask(tokenizer, ner_toys.LABELS, 12, "fixed")
    graph = ner_graph.NerGraph(model, task)
    batch = {
        "input_ids": tf.constant([[2, 5, 3]]),
        "input_mask": tf.constant([[1, 1, 1]]),
        "segment_ids": tf.constant([[0, 0, 0]]),
    }
    found = graph.score(batch)
    np.testing.assert_allclose(
        tf.math.log(found["probabilities"]),
        tf.nn.log_softmax(model(batch)["logits"]),
        rtol=1e-5,
    )
    assert (
        found["labels"].numpy()[0, 1].decode()
        == ner_toys.LABELS[int(tf.argmax(found["probabilities"][0, 1]))]
    )
