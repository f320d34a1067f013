"""Relations found inside a graph are those that a run predicts."""

import dataclasses
import random

import ner_toys
import numpy as np
import pytest
import re_toys
import tensorflow as tf

from biobert_tf import heads
from biobert_tf.export import graph_text, re_graph
from biobert_tf.tasks import relation_reading
from biobert_tf.tasks.relation import RelationTask
from biobert_tf.tasks.relation_reading import RelationExample
from biobert_tf.tasks.relation_sets import custom
from biobert_tf.tokenization import FullTokenizer

LABELS = ("false", "helps", "harms")


@pytest.fixture
def tokenizer(tmp_path):
    return FullTokenizer(ner_toys.write_vocab(tmp_path / "vocab.txt", re_toys.VOCAB))


def texts(seed, number):
    rng = random.Random(seed)
    words = "aspirin Liver cancer nephritis @GENE$ @DISEASE$ @CHEM-GENE$ zebra . @x $"
    words = [*words.split(), "@\u00e9$", "a@GENE$b", "@GENE$@GENE$", "@G\u00e9\u00ad$"]
    weights = [5, 5, 5, 5, *[1] * (len(words) - 4)]
    return [
        " ".join(rng.choices(words, weights, k=rng.choice([0, 1, 4, 9, 40])))
        for _ in range(number)
    ]


def in_the_middle():
    """Texts too long on both sides of two entities that stand together."""
    words = ["aspirin", "Liver", "cancer", "severe", "with", "."] * 6
    return [
        " ".join([*words[:before], "@GENE$ helps @DISEASE$", *words[:behind]])
        for before in (14, 17, 30)
        for behind in (1, 12, 33)
    ]


@pytest.mark.parametrize("entity_markers", [False, True])
def test_equal_to_the_run(tokenizer, entity_markers):
    config = dataclasses.replace(re_toys.CONFIG, initializer_range=0.5)
    model = heads.SequenceClassifier(config, len(LABELS), seed=1)
    task = RelationTask(
        tokenizer=tokenizer,
        relation_set=custom(LABELS, "false"),
        max_seq_length=16,
        entity_markers=entity_markers,
        class_weights=(1.0,) * 3,
        compat="fixed",
    )
    graph = re_graph.ReGraph(model, tokenizer, LABELS, 16, entity_markers)
    answer = tf.function(
        graph.answer,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    # A run refuses entities that do not fit.
    given, records, examples = [], [], []
    for text in [*texts(1, 200), *in_the_middle()]:
        spans = relation_reading.entity_spans(text, "biobert")
        if len(spans) < 3:
            example = RelationExample("0", text, None, spans)
            records += task.featurize([example])
            given.append(text)
            examples.append(example)
    assert sum(record.is_windowed for record in records) > 5
    batch = {
        name: tf.constant([record.features[name] for record in records])
        for name in ("input_ids", "input_mask", "segment_ids")
    }
    found = {name: values.numpy() for name, values in answer(given).items()}
    wanted = tf.nn.softmax(model(batch)["logits"]).numpy()
    np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-5)
    predictions = task.decode(examples, records, {"probabilities": wanted})
    assert [label.decode() for label in found["label"]] == [
        prediction.label for prediction in predictions
    ]
    assert found["is_cut"].tolist() == [record.is_cut for record in records]
    assert found["num_entities"].tolist() == [len(e.entities) for e in examples]
    assert answer(tf.constant([], tf.string))["label"].shape == (0,)


def test_placeholders_are_those_of_the_readers(tokenizer):
    given = [*texts(2, 300), "@GENE$", "@", "@A", "@A\n$", "$@A-_\u00e9$ @@A$", ""]
    graph = re_graph.ReGraph(
        heads.SequenceClassifier(re_toys.CONFIG, 2, seed=1), tokenizer, "ab", 16, False
    )
    found = graph_text.characters(tf.constant(given))
    spans = graph_text.placeholders(found, graph._tokenizer.traits(found.codes))
    columns = (values.numpy().tolist() for values in spans)
    wanted = [
        (len(text[: span.start].encode()), len(text[: span.end].encode()), row)
        for row, text in enumerate(given)
        for span in relation_reading.entity_spans(text, "biobert")
    ]
    assert list(zip(*columns, strict=True)) == wanted
    assert len(wanted) > 100
