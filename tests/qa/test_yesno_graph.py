# SPDX-License-Identifier: Apache-2.0
"""What a graph says of yes/no questions is what `qa.yesno` says."""

import random

import ner_toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.cli import exporting
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.export import client as serving
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model import heads
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa import yesno as bioasq_yesno
from biobert_tf.qa import yesno_graph
from biobert_tf.qa.features import Featurizer
from biobert_tf.qa.reading import QaExample
from biobert_tf.text.tokenization import FullTokenizer

NAMES = ("input_ids", "input_mask", "segment_ids")
SIZES = {"max_seq_length": 16, "doc_stride": 4, "max_query_length": 5}
SETTINGS = {**SIZES, "question_type": "yesno", "do_lower_case": False}
WORDS = (
    "aspirin Liver cancer. nephritiss severe zebra (aspirin \u00ad \u0301 helps\u00a0"
)


def write_model(folder, labels=("no", "yes"), seed=7):
    """Writes a model with random weights, as a finished training leaves it."""
    ner_toys.write_vocab(folder / "vocab.txt")
    model = heads.SequenceClassifier(ner_toys.STRONG, len(labels), seed=seed)
    ner_toys.save_model(model, labels, folder)
    files.write_json(folder / "settings.json", SETTINGS)
    return model, FullTokenizer(folder / "vocab.txt")


def texts(seed, number, sizes):
    rng = random.Random(seed)
    return [
        rng.choice([" ", "\n", "\u202f"]).join(
            rng.choices(WORDS.split(" "), k=rng.choice(sizes))
        )
        for _ in range(number)
    ]


def decided(model, tokenizer, questions, contexts):
    """What a run says of each passage, and how many windows it has read."""
    examples = [
        QaExample(
            qas_id=str(i),
            question_text=question,
            context=context,
            doc_tokens=qa_reading.Context(context).words,
        )
        for i, (question, context) in enumerate(zip(questions, contexts, strict=True))
    ]
    rows = list(Featurizer(tokenizer=tokenizer, **SIZES).featurize(examples))
    batch = {name: np.stack([getattr(row, name) for row in rows]) for name in NAMES}
    logits = model({name: tf.constant(v) for name, v in batch.items()})["logits"]
    windows = zip(rows, logits.numpy(), strict=True)
    return list(bioasq_yesno.decode(examples, windows)), len(rows)


def test_equal_to_the_run(tmp_path):
    model, tokenizer = write_model(tmp_path)
    featurizer = Featurizer(tokenizer=tokenizer, **SIZES)
    graph = yesno_graph.YesNoGraph(model, featurizer)
    strings = tf.TensorSpec([None], tf.string)
    answer = tf.function(
        graph.answer, input_signature=[strings, strings], autograph=False
    )
    questions, contexts = texts(1, 120, [0, 2, 9]), texts(2, 120, [0, 3, 7, 40])
    wanted, num_windows = decided(model, tokenizer, questions, contexts)
    found = {k: v.numpy() for k, v in answer(questions, contexts).items()}
    labels = [label.decode() for label in found["label"]]
    assert labels == [passage.text for passage in wanted]
    # Of both kinds, some with many windows, some with none.
    assert min(labels.count("yes"), labels.count("no")) > 20
    assert num_windows > 300
    is_empty = np.array([passage.evidence == 0 for passage in wanted])
    assert 5 < is_empty.sum() < 60
    np.testing.assert_allclose(found["probabilities"][is_empty], 0.5)
    probabilities = [[1 - p.probability, p.probability] for p in wanted]
    np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-5)
    evidence = [passage.evidence for passage in wanted]
    np.testing.assert_allclose(found["evidence"], evidence, atol=1e-5)
    assert answer(*[tf.constant([], tf.string)] * 2)["label"].shape == (0,)


def test_an_export(tmp_path):
    model, tokenizer = write_model(tmp_path / "model")
    output = tmp_path / "out"
    exporting.export(ExportConfig(model=tmp_path / "model", output=output))
    loaded = serving.ExportedModel(output)
    assert (loaded.kind, loaded.card["labels"]) == ("yesno", ["no", "yes"])
    questions, contexts = ["severe aspirin"], ["Liver cancer helps with aspirin ."]
    found = loaded(question=questions, context=contexts)
    [passage], num_windows = decided(model, tokenizer, questions, contexts)
    assert num_windows == 1
    assert found["label"].tolist() == [passage.text]
    # One window is a passage: `tokens` says the same of its pieces.
    row = {"input_ids": [2, 10, 11, 3, 5, 6, 12, 13, 11, 14, 3]}
    row |= {"input_mask": [1] * 11, "segment_ids": [0] * 4 + [1] * 7}
    scored = loaded.score(**{name: [values] for name, values in row.items()})
    assert scored["label"].tolist() == [passage.text]
    for name in ("probabilities", "evidence"):
        np.testing.assert_allclose(scored[name], found[name], atol=1e-5)


def test_labels_in_another_order(tmp_path):
    write_model(tmp_path / "model", ("yes", "no"))
    config = ExportConfig(model=tmp_path / "model", output=tmp_path / "out")
    with pytest.raises(InputError, match=r"labels yes no; .* has no yes$"):
        exporting.export(config)
    assert not (tmp_path / "out").exists()


def test_no_room_for_a_context(tmp_path):
    write_model(tmp_path / "model")
    config = ExportConfig(
        model=tmp_path / "model", output=tmp_path / "out", max_seq_length=7
    )
    with pytest.raises(InputError, match="leaves no room for the context"):
        exporting.export(config)
