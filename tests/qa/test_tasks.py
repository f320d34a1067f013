# SPDX-License-Identifier: Apache-2.0
"""The numbers of question answering: records, losses; text is `test_qa_run`'s."""

import dataclasses
import math

import ner_toys
import numpy as np
import pytest
import qa_toys as toys
import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.qa import answers
from biobert_tf.qa import task as qa_tasks
from biobert_tf.qa.features import Featurizer
from biobert_tf.qa.reading import QaExample
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import examples, records


@pytest.fixture
def featurizer(tmp_path):
    vocab = ner_toys.write_vocab(tmp_path / "vocab.txt", toys.VOCAB)
    return Featurizer(
        tokenizer=FullTokenizer(vocab),
        max_seq_length=12,
        doc_stride=3,
        max_query_length=4,
    )


@pytest.fixture
def task(featurizer):
    return qa_tasks.SpanTask(featurizer=featurizer, compat="fixed")


def example(context, **more):
    words = tuple(context.split())
    return QaExample(
        qas_id="q",
        question_text="who has cancer ?",
        context=context,
        doc_tokens=words,
        **more,
    )


def trained_on(context, answer):
    word = context.split().index(answer)
    place = {"start_position": word, "end_position": word}
    return example(context, orig_answer_text=answer, **place)


def test_an_example_as_it_is_logged(task, featurizer, caplog):
    rows = task.featurize([trained_on("in men Liver is cured", "men")])
    pieces = featurizer.tokenizer.inv_vocab
    with caplog.at_level("INFO", "biobert_tf"):
        examples.log("train", (x.features for x in rows), 1, task.specs, pieces)
    tokens = "[CLS] who has cancer ? [SEP] in men Liver is cured [SEP]"
    assert f"tokens: {tokens}" in caplog.messages
    assert caplog.messages[caplog.messages.index("answer: men") - 1].endswith(": 7")


# --- spans ----------------------------------------------------------------------------


def test_records_have_the_features_of_the_original(task, tmp_path):
    rows = task.featurize([trained_on("in men Liver is cured", "men")])
    path = tmp_path / "train.tf_record"
    assert records.write(path, (row.features for row in rows), task.specs) == 1
    assert records.features_of(path) == {
        "unique_ids": 1,
        "input_ids": 12,
        "input_mask": 12,
        "segment_ids": 12,
        "start_positions": 1,
        "end_positions": 1,
        "is_impossible": 1,
    }
    [batch] = (
        tf.data.TFRecordDataset(str(path))
        .batch(1)
        .map(lambda raw: records.parse(raw, task.specs))
    )
    text = "[CLS] who has cancer ? [SEP] in men Liver is cured [SEP]"
    assert batch["input_ids"].numpy().tolist() == [toys.ids(text)]
    assert batch["segment_ids"].numpy().tolist() == [[0] * 6 + [1] * 6]
    assert batch["start_positions"].numpy().tolist() == [[7]]
    assert batch["end_positions"].numpy().tolist() == [[7]]
    assert batch["unique_ids"].numpy().tolist() == [[10**9]]


def test_rows_are_made_anew_and_counted(task, monkeypatch):
    made = []
    featurize = Featurizer.featurize

    def counted(self, examples):
        made.append(len(examples))
        return featurize(self, examples)

    monkeypatch.setattr(Featurizer, "featurize", counted)
    rows = task.featurize([example("in men " * 5), example("Liver")])
    assert made == []
    # Not of the rows themselves: a list asks its source for its length first.
    first, second = list(iter(rows)), list(iter(rows))
    assert len(made) == 2
    assert len(rows) == len(first) == len(second) == 4
    assert len(made) == 2
    assert [row.tokens for row in first] == [row.tokens for row in second]
    # Who only asks how many there are pays for making them, once.
    other = task.featurize([example("in men " * 5)])
    assert len(other) == len(other) == 3
    assert len(made) == 3


def test_loss_by_hand(task):
    start = [[0.5, 1.0, -1.0], [0.0, 2.0, 0.0]]
    end = [[1.0, 1.0, 3.0], [0.0, 0.0, 0.0]]
    outputs = {"start_logits": tf.constant(start), "end_logits": tf.constant(end)}
    batch = {
        "input_ids": tf.zeros([2, 3], tf.int32),
        "input_mask": tf.constant([[1, 1, 1], [1, 1, 0]]),
        "start_positions": tf.constant([[1], [0]]),
        "end_positions": tf.constant([[2], [0]]),
    }
    totals = task.loss_totals(batch)
    assert float(totals["windows"]) == 2

    def nats(logits, label):
        return math.log(sum(map(math.exp, logits))) - logits[label]

    whole = nats(start[0], 1) + nats(end[0], 2)
    expected = (whole + nats(start[1][:2], 0) + nats(end[1][:2], 0)) / 4
    assert float(task.losses(batch, outputs, totals)["loss"]) == pytest.approx(expected)
    # The original counts the scores of padding.
    original = dataclasses.replace(task, compat="master")
    expected = (whole + nats(start[1], 0) + nats(end[1], 0)) / 4
    loss = original.losses(batch, outputs, totals)["loss"]
    assert float(loss) == pytest.approx(expected)
    # Half of a batch contributes its share of the whole.
    half = {name: values[:1] for name, values in batch.items()}
    first = {name: values[:1] for name, values in outputs.items()}
    share = (nats(start[0], 1) + nats(end[0], 2)) / 4
    assert float(task.losses(half, first, totals)["loss"]) == pytest.approx(share)


def test_the_head_of_spans_may_be_new_and_has_no_pooler(task):
    model = task.build_model(toys.CONFIG, seed=1)
    names = {variable.name.split(":")[0] for variable in model.variables}
    assert set(task.new_head) <= names
    assert not any("pooler" in variable.name for variable in model.trainable_variables)
    assert len(task.labels) == model.output_weights.shape[0]


def test_padding_is_scored_for_the_original_only(task):
    original = dataclasses.replace(task, compat="master")
    assert (task.counts_padding, original.counts_padding) == (False, True)


def test_padding_without_scores_is_never_an_answer(task):
    rows = list(task.featurize([trained_on("in men cancer", "cancer")]))
    short = {"start_logits": np.zeros(3, np.float32)}
    outputs = [{**short, "end_logits": np.ones(4, np.float32)} for _ in rows]
    for row, scores in zip(rows, answers.span_scores(rows, outputs), strict=True):
        assert len(scores.start_logits) == len(scores.end_logits) == len(row.input_ids)
        assert (scores.start_logits[:3] == 0).all()
        assert (scores.end_logits[4:] == np.finfo(np.float32).min).all()


@pytest.mark.parametrize(
    "compat, num_rows, expected",
    [("fixed", 7, 7), ("fixed", 10**6, 10_000), ("master", 7, 100)],
)
def test_the_buffer_of_a_shuffle(task, compat, num_rows, expected):
    task = dataclasses.replace(task, compat=compat)
    assert task.shuffle_buffer(num_rows) == expected


# --- yes/no ---------------------------------------------------------------------------


@pytest.fixture
def yes_no(featurizer):
    return qa_tasks.YesNoTask(
        featurizer=featurizer, class_weights=(3.0, 1.0), compat="fixed"
    )


def test_every_window_has_the_answer_of_its_question(yes_no, tmp_path):
    long = "in men " * 5
    examples = [
        example(long, is_yes=True),
        example("Liver", is_yes=False),
        example("Liver"),
    ]
    rows = yes_no.featurize(examples)
    assert [row.features["label_ids"] for row in rows] == [[1], [1], [1], [0], [0]]
    assert len(rows) == 5
    path = tmp_path / "train.tf_record"
    records.write(path, (row.features for row in rows), yes_no.specs)
    assert records.features_of(path) == {
        "unique_ids": 1,
        "input_ids": 12,
        "input_mask": 12,
        "segment_ids": 12,
        "label_ids": 1,
        "is_real_example": 1,
    }


def test_yes_no_loss_is_weighted(yes_no):
    logits = tf.constant([[1.0, 2.0], [0.0, 0.5]])
    batch = {
        "label_ids": tf.constant([[1], [0]]),
        "is_real_example": tf.constant([[1], [1]]),
    }
    totals = yes_no.loss_totals(batch)
    assert float(totals["weight"]) == 4
    first = math.log(math.exp(1) + math.exp(2)) - 2
    second = math.log(1 + math.exp(0.5))
    loss = yes_no.losses(batch, {"logits": logits}, totals)["loss"]
    assert float(loss) == pytest.approx((first + 3 * second) / 4)
    found = yes_no.predictions(batch, {"logits": logits})
    np.testing.assert_array_equal(found["logits"], logits)


def test_the_head_of_yes_and_no_reads_the_pooler(yes_no):
    model = yes_no.build_model(toys.CONFIG, seed=1)
    assert isinstance(model, heads.SequenceClassifier)
    assert model.output_weights.shape == (2, toys.CONFIG.hidden_size)
    assert yes_no.labels == ("no", "yes")
    assert yes_no.shuffle_buffer(5) == 5
