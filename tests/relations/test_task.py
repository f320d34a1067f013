# SPDX-License-Identifier: Apache-2.0
"""The task, and the original's run with a random model, replayed."""

import dataclasses
import json
import math
from pathlib import Path

import ner_toys
import numpy as np
import pytest
import re_toys as toys
import tensorflow as tf

from biobert_tf.cli import main as cli
from biobert_tf.common import program
from biobert_tf.model import heads
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations import scores as relations
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import SETS, custom
from biobert_tf.relations.task import RelationPrediction, RelationTask
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import examples

THREE = custom(("none", "harm", "cure"), negative="")


@pytest.fixture
def task(tmp_path):
    """Three labels, of which a harm weighs twice and a cure half."""
    path = ner_toys.write_vocab(tmp_path / "vocab.txt", toys.VOCAB)
    return RelationTask(
        tokenizer=FullTokenizer(path),
        relation_set=THREE,
        max_seq_length=12,
        entity_markers=False,
        class_weights=(1.0, 2.0, 0.5),
        compat="fixed",
    )


@pytest.fixture
def binary(task):
    return dataclasses.replace(task, relation_set=SETS["gad"], class_weights=(1.0, 1.0))


def example(text, label=None, row_id="7"):
    spans = relation_reading.entity_spans(text, "biobert")
    return RelationExample(row_id, text, label, spans)


# --- records --------------------------------------------------------------------------


def test_an_example_as_it_is_logged(task, caplog):
    rows = task.featurize([example("@GENE$ causes cancer", "cure")])
    pieces = task.tokenizer.inv_vocab
    features = [row.features for row in rows]
    with caplog.at_level("INFO", "biobert_tf"):
        examples.log("train", features, 5, task.specs, pieces, task.labels)
    assert "tokens: [CLS] @ GENE $ causes cancer [SEP]" in caplog.messages
    assert caplog.messages[caplog.messages.index("labels: cure") - 1] == "label_ids: 2"


# --- the loss -------------------------------------------------------------------------

LOGITS = np.array(
    [[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 3.0], [5.0, -5.0, 9.0]], np.float32
)
LABEL_IDS = [1, 0, 0]


def nats(row, label):
    """Cross-entropy of one example."""
    logits = LOGITS[row].tolist()
    return math.log(sum(map(math.exp, logits))) - logits[label]


def batch_of(label_ids, is_real=None):
    return {
        "label_ids": tf.constant([[label] for label in label_ids]),
        "is_real_example": tf.constant([[x] for x in is_real or [1] * len(label_ids)]),
    }


def loss(task, batch, totals=None, rows=slice(None)):
    outputs = {"logits": tf.constant(LOGITS[: len(LOGITS)][rows])}
    return float(task.losses(batch, outputs, totals or task.loss_totals(batch))["loss"])


def test_loss_is_a_mean_weighted_by_the_labels(task):
    batch = batch_of(LABEL_IDS)
    assert float(task.loss_totals(batch)["weight"]) == 2 + 1 + 1
    expected = (2 * nats(0, 1) + nats(1, 0) + nats(2, 0)) / 4
    assert loss(task, batch, rows=slice(3)) == pytest.approx(expected)
    # No label of the third kind: its weight plays no part.
    other = dataclasses.replace(task, class_weights=(1.0, 2.0, 9.0))
    assert loss(other, batch, rows=slice(3)) == pytest.approx(expected)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_equal_weights_give_the_mean(task, weight):
    task = dataclasses.replace(task, class_weights=(weight,) * 3)
    expected = (nats(0, 1) + nats(1, 0) + nats(2, 0)) / 3
    assert loss(task, batch_of(LABEL_IDS), rows=slice(3)) == pytest.approx(expected)


def test_padding_rows_count_nothing(task):
    assert task.specs["is_real_example"].padding == 0
    padded = batch_of([*LABEL_IDS, 2], is_real=[1, 1, 1, 0])
    alone = loss(task, batch_of(LABEL_IDS), rows=slice(3))
    assert loss(task, padded) == pytest.approx(alone)
    assert float(task.loss_totals(padded)["weight"]) == 4
    nothing = batch_of([0], is_real=[0])
    assert loss(task, nothing, rows=slice(1)) == 0.0


@pytest.mark.parametrize("split", [1, 2])
def test_parts_of_a_batch_add_up(task, split):
    """Accumulated or on two replicas, with the totals of the whole batch."""
    totals = task.loss_totals(batch_of(LABEL_IDS))
    parts = [
        loss(task, batch_of(LABEL_IDS[rows]), totals, rows)
        for rows in (slice(0, split), slice(split, 3))
    ]
    whole = loss(task, batch_of(LABEL_IDS), rows=slice(3))
    assert sum(parts) == pytest.approx(whole)


def test_predictions_by_hand(task):
    batch = batch_of([1, 0, 0, 2], is_real=[1, 1, 1, 1])
    arrays = task.predictions(batch, {"logits": tf.constant(LOGITS)})
    assert sorted(arrays) == ["label_ids", "logits", "loss", "probabilities"]
    np.testing.assert_array_equal(arrays["label_ids"], [1, 0, 0, 2])
    # Not weighted: what is evaluated is what the original evaluates.
    expected = [nats(0, 1), nats(1, 0), nats(2, 0), nats(3, 2)]
    np.testing.assert_allclose(arrays["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        arrays["probabilities"][0], np.exp([-nats(0, k) for k in range(3)]), rtol=1e-6
    )


def test_the_head(task):
    encoder = dataclasses.replace(toys.CONFIG, hidden_dropout_prob=0.3)
    model = task.build_model(encoder, seed=1)
    assert isinstance(model, heads.SequenceClassifier)
    assert model.output_weights.shape == (3, encoder.hidden_size)
    assert model.dropout_rate == 0.3
    assert set(task.new_head) == {"output_weights", "output_bias"}
    assert task.name == "re"
    assert task.loss_names == ("loss",)


def test_shuffling(task):
    assert task.shuffle_buffer(5000) == 5000
    master = dataclasses.replace(task, compat="master")
    assert master.shuffle_buffer(5000) == 100


# --- records --------------------------------------------------------------------------


def test_specs_are_the_originals_features(task):
    lengths = {name: spec.length for name, spec in task.specs.items()}
    assert lengths == {
        "input_ids": 12,
        "input_mask": 12,
        "segment_ids": 12,
        "label_ids": 1,
        "is_real_example": 1,
    }
    [record] = task.featurize([example("@GENE$ causes @DISEASE$", "cure")])
    assert {name: len(values) for name, values in record.features.items()} == lengths
    assert record.features["label_ids"] == [2]
    assert record.features["is_real_example"] == [1]


def test_settings_reach_the_records(task):
    """That the task hands on what it was given; the rest is the featurizer's."""
    text = "severe severe Liver cancer @GENE$ causes @DISEASE$ ."
    [record] = task.featurize([example(text)])
    assert " ".join(record.pieces) == (
        "[CLS] Liver cancer @ GENE $ causes @ DISEASE $ . [SEP]"
    )
    [record] = dataclasses.replace(task, compat="master").featurize([example(text)])
    assert " ".join(record.pieces) == (
        "[CLS] severe severe Liver cancer @ GENE $ causes @ DISEASE [SEP]"
    )
    marked = dataclasses.replace(task, entity_markers=True, max_seq_length=14)
    [record] = marked.featurize([example("@GENE$ causes @DISEASE$")])
    assert " ".join(record.pieces) == (
        "[CLS] [unused1] @ GENE $ [unused2] causes "
        "[unused3] @ DISEASE $ [unused4] [SEP]"
    )


def test_counts(task):
    texts = [text for text, _ in toys.TRAIN]
    records = task.featurize([example(text) for text in texts])
    assert task.counts(records) == {"cut": 2, "windowed": 1}
    assert task.counts([]) == {"cut": 0, "windowed": 0}
    master = dataclasses.replace(task, compat="master")
    records = master.featurize([example(text) for text in texts])
    assert master.counts(records) == {"cut": 2, "windowed": 0}


# --- metrics --------------------------------------------------------------------------


def test_metrics_of_the_original(task):
    """Its loss is the mean over batches of their means, the last a smaller one."""
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]])
    arrays = {
        "loss": np.array([1.0, 2.0, 6.0], np.float32),
        "probabilities": probabilities.astype(np.float32),
        "label_ids": np.array([0, 2, 0]),
    }
    assert task.metrics(arrays, batch_size=2) == pytest.approx(
        {"eval_accuracy": 2 / 3, "eval_loss": 3.0, "loss": (1.5 + 6.0) / 2}
    )
    assert task.metrics(arrays, batch_size=3)["loss"] == pytest.approx(3.0)
    assert task.metrics(arrays, batch_size=1)["loss"] == pytest.approx(3.0)


def decode(task, *rows):
    arrays = {"probabilities": np.array(rows, np.float32)}
    return task.decode((), (), arrays)


def test_decode(task):
    first, second = decode(task, [0.2, 0.3, 0.5], [0.6, 0.3, 0.1])
    assert (first.label, second.label) == ("cure", "none")
    np.testing.assert_array_equal(first.probabilities, np.float32([0.2, 0.3, 0.5]))


def test_ties_go_to_the_first(task):
    labels = [p.label for p in decode(task, [1 / 3] * 3, [0.2, 0.4, 0.4])]
    assert labels == ["none", "harm"]


EXAMPLES = [
    example("@GENE$ causes @DISEASE$", "harm", "a1"),
    example("@GENE$ helps @DISEASE$", "cure", "a2"),
    example("@GENE$ \u2264 @DISEASE$", "none", "a3"),
    example("@GENE$ with @DISEASE$", "none", "a4"),
]
ROWS = ([0.125, 0.5, 0.375], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.1, 0.7, 0.2])


def test_score_and_report(task):
    predictions = decode(task, *ROWS)
    scores = task.score(EXAMPLES, predictions, seed=1)
    # The one relation found, of two that are there and two predicted.
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (2, 2, 1)
    assert scores.accuracy == 0.5
    assert scores.specificity is None
    assert list(scores.by_label) == ["none", "harm", "cure"]
    assert task.report(EXAMPLES, predictions) == (
        "f1 score    : 50.00%\nrecall      : 50.00%\nprecision   : 50.00%"
    )


def test_intervals_follow_the_seed(task):
    examples, predictions = EXAMPLES * 20, decode(task, *ROWS * 20)
    one, same = (task.score(examples, predictions, seed=3) for _ in range(2))
    assert one == same
    others = [task.score(examples, predictions, seed=seed) for seed in range(5)]
    assert len({other.f1_interval for other in others}) > 1


def test_report_of_a_binary_set(binary):
    examples = [example("@GENE$", label) for label in "1100"]
    predictions = decode(binary, [0.3, 0.7], [0.7, 0.3], [0.7, 0.3], [0.6, 0.4])
    assert binary.report(examples, predictions) == (
        "f1 score    : 66.67%\nrecall      : 50.00%\n"
        "precision   : 100.00%\nspecificity : 100.00%"
    )


def test_labelled_is_all_or_nothing(task):
    assert task.is_labelled(EXAMPLES)
    assert not task.is_labelled([*EXAMPLES, example("@GENE$")])


# --- files ----------------------------------------------------------------------------


def files_of(task, examples, predictions):
    return task.prediction_files(examples, task.featurize(examples), predictions, {})


def test_results_file(task):
    rows = [*ROWS[:2], [1e-9, 1 - 1e-7, 0.33333334]]
    texts = files_of(task, EXAMPLES[:3], decode(task, *rows))
    assert sorted(texts) == ["predictions.jsonl", "test_results.tsv"]
    assert texts["test_results.tsv"] == (
        "0.125\t0.5\t0.375\n0.5\t0.25\t0.25\n1e-09\t0.9999999\t0.33333334\n"
    )


def test_predictions_file(task):
    rows = [[0.1234564, 0.8765436, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    text = files_of(task, EXAMPLES[1:], decode(task, *rows))["predictions.jsonl"]
    assert text == (
        '{"id": "a2", "text": "@GENE$ helps @DISEASE$", "label": "harm", '
        '"gold": "cure", "probabilities": '
        '{"none": 0.123456, "harm": 0.876544, "cure": 0.0}}\n'
        '{"id": "a3", "text": "@GENE$ \u2264 @DISEASE$", "label": "none", '
        '"gold": "none", "probabilities": {"none": 1.0, "harm": 0.0, "cure": 0.0}}\n'
        '{"id": "a4", "text": "@GENE$ with @DISEASE$", "label": "cure", '
        '"gold": "none", "probabilities": {"none": 0.0, "harm": 0.0, "cure": 1.0}}\n'
    )


def test_predictions_without_gold_labels(task):
    texts = files_of(task, [example("@GENE$")], decode(task, ROWS[0]))
    [row] = map(json.loads, texts["predictions.jsonl"].splitlines())
    assert sorted(row) == ["id", "label", "probabilities", "text"]
    assert texts["test_results.tsv"] == "0.125\t0.5\t0.375\n"


def test_a_prediction_of_other_labels_is_a_mistake_of_ours(task):
    prediction = RelationPrediction("harm", np.float32([0.5, 0.5]))
    with pytest.raises(ValueError, match="shorter"):
        task.jsonl_row(EXAMPLES[0], prediction)


# --- recorded outputs -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Replay:
    """A run of the original, and the same run here."""

    folder: Path
    output: Path

    def read(self, name):
        """The text of a file: ours and the original's."""
        return [
            (place / name).read_text("utf-8") for place in (self.output, self.folder)
        ]

    def results(self):
        return json.loads((self.output / "results.json").read_text("utf-8"))

    def features(self):
        """What the model was given: arrays by name, ours and the original's."""
        path = self.output / "predict.tf_record"
        rows = [
            tf.train.Example.FromString(record.numpy()).features.feature
            for record in tf.data.TFRecordDataset(str(path))
        ]
        with np.load(self.folder / "features_test.npz") as recorded:
            theirs = {name: recorded[name].reshape(len(rows), -1) for name in recorded}
        ours = {name: np.zeros_like(theirs[name]) for name in rows[0]}
        for name, values in ours.items():
            for held, row in zip(values, rows, strict=True):
                own = row[name].int64_list.value
                held[: len(own)] = own  # Records leave padding out.
        return ours, theirs

    def is_same(self):
        """Which rows were given to the model as the original gave them."""
        ours, theirs = (each["input_ids"] for each in self.features())
        return (ours == theirs).all(-1)


def replay(golden, file, compat, output):
    run = json.loads(file.read_text("utf-8"))
    vocab_file = golden / run["vocab"]
    argv = [
        "run_re.py",
        *run["flags"],
        f"--compat={compat}",
        f"--data_dir={file.parent.parent / 'data'}",
        f"--output_dir={output}",
        f"--init_checkpoint={golden / run['checkpoint']}",
        f"--vocab_file={vocab_file}",
        f"--bert_config_file={vocab_file.parent / 'bert_config.json'}",
        "--strategy=cpu",
    ]
    assert program.run(cli.re, argv) == 0
    return Replay(file.parent, output)


@pytest.fixture(scope="module", params=["master", "fixed"])
def replays(request, golden, tmp_path_factory):
    """Runs the original's random models as it ran them, on every set."""
    found = [
        replay(golden, file, request.param, tmp_path_factory.mktemp("replay"))
        for file in sorted(golden.glob("re/*/end_to_end/run.json"))
    ]
    assert found
    return found


@pytest.mark.golden
def test_features_are_the_originals(replays):
    """All of them but sentences that are cut around their entities."""
    for one in replays:
        ours, theirs = one.features()
        assert sorted(ours) == sorted(theirs)
        is_same, results = one.is_same(), one.results()
        assert is_same.any()
        assert (~is_same).sum() == results["test"]["windowed"], one.folder
        if results["settings"]["compat"] == "master":
            assert is_same.all()
        # The original does not read the labels of a test file: `fixed` does.
        unread = {"label_ids"} if results["settings"]["compat"] == "fixed" else set()
        for name in {*theirs} - unread:
            np.testing.assert_array_equal(ours[name][is_same], theirs[name][is_same])


@pytest.mark.golden
def test_probabilities_are_the_originals(replays):
    for one in replays:
        rows, expected = (
            [line.split("\t") for line in text.split("\n")]
            for text in one.read("test_results.tsv")
        )
        # As many lines, as many columns, no header, and an end to the last line.
        assert [len(row) for row in rows] == [len(row) for row in expected], one.folder
        assert rows.pop() == expected.pop() == [""]
        for row in rows:
            assert row == [str(np.float32(value)) for value in row], one.folder
        is_same = one.is_same()
        ours, theirs = (np.float64(table)[is_same] for table in (rows, expected))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.golden
def test_evaluation_is_the_originals(replays):
    num_compared = 0
    for one in replays:
        results = one.results()
        if results["devel"]["windowed"]:
            assert results["settings"]["compat"] == "fixed"
            continue
        ours, theirs = (
            dict(line.split(" = ") for line in text.splitlines())
            for text in one.read("eval_results.txt")
        )
        assert list(ours) == sorted(ours)
        assert theirs.pop("global_step") == ours["global_step"]
        accuracy = np.float32(theirs.pop("eval_accuracy"))
        assert np.float32(ours["eval_accuracy"]) == accuracy, one.folder
        assert sorted(theirs) == ["eval_loss", "loss"]
        for name, value in theirs.items():
            assert float(ours[name]) == pytest.approx(float(value), rel=1e-5), name
        num_compared += 1
    assert num_compared


@pytest.mark.golden
def test_files_score_as_the_run_did(replays):
    """`biobert re-eval` on what was written says what the run said."""
    for one in replays:
        results = one.results()
        name = results["settings"]["task_name"]
        scores = relations.evaluate(
            one.output / "test_results.tsv",
            one.folder.parent / "data" / "test.tsv",
            "binary" if SETS[name].is_binary else name,
        ).to_dict()
        expected = results["test"]["scores"]
        # The intervals are drawn with other seeds.
        assert scores.pop("interval_95")
        assert expected.pop("interval_95")
        assert scores == expected, one.folder
