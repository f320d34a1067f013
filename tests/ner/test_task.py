# SPDX-License-Identifier: Apache-2.0
import dataclasses
import gzip
import json
import math
from pathlib import Path

import ner_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.common import flags
from biobert_tf.model import heads
from biobert_tf.ner import conlleval
from biobert_tf.ner import reading as ner_reading
from biobert_tf.ner import run as ner_run
from biobert_tf.ner.features import NerRecord
from biobert_tf.ner.reading import NerExample
from biobert_tf.ner.settings import NerConfig
from biobert_tf.ner.task import Entity, NerPrediction, NerTask
from biobert_tf.text.labels import chunks
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import records


@pytest.fixture
def tokenizer(tmp_path):
    return FullTokenizer(toys.write_vocab(tmp_path / "vocab.txt"))


@pytest.fixture
def task(tokenizer):
    return NerTask(
        tokenizer=tokenizer, labels=toys.LABELS, max_seq_length=8, compat="fixed"
    )


@pytest.fixture
def untyped(task):
    return dataclasses.replace(task, labels=("O", "B", "I"))


@pytest.fixture
def master(task):
    return dataclasses.replace(task, labels=toys.ORIGINAL_LABELS, compat="master")


def example(text, labels=None):
    return NerExample(tuple(text.split()), labels and tuple(labels.split()))


def decode(task, sentence, probabilities):
    """Decodes with a row of label probabilities for every piece of one record."""
    records = task.featurize([sentence])
    rows = np.full((len(records), task.max_seq_length, len(task.labels)), 1e-9)
    for row, record in zip(rows, records, strict=True):
        for _, position in record.words:
            row[position] = probabilities.pop(0)
    assert not probabilities
    [prediction] = task.decode([sentence], records, {"log_probs": np.log(rows)})
    return prediction


# --- decoding -------------------------------------------------------------------------


def test_decode_by_hand(untyped):
    prediction = decode(
        untyped,
        example("severe nephritis with aspirin"),
        [[0.1, 0.7, 0.2], [0.1, 0.3, 0.6], [0.8, 0.1, 0.1], [0.2, 0.5, 0.3]],
    )
    assert prediction.labels == ("B", "I", "O", "B")
    first, last = prediction.entities
    # Its labels, and that the word behind it does not go on: 0.7 * 0.6 * (1 - 0.1).
    assert (first.type, first.start, first.end) == ("MISC", 0, 2)
    assert first.probability == pytest.approx(0.378)
    # Nothing stands behind the last one.
    assert (last.start, last.end) == (3, 4)
    assert last.probability == pytest.approx(0.5)


def test_decode_types(task):
    prediction = decode(
        task,
        example("aspirin nephritis Liver"),
        [
            [0.1, 0.6, 0.1, 0.1, 0.1],
            [0.1, 0.1, 0.2, 0.5, 0.1],
            [0.1, 0.1, 0.1, 0.3, 0.4],
        ],
    )
    assert prediction.labels == ("B-Chem", "B-Dis", "I-Dis")
    chem, dis = prediction.entities
    # Only I-Chem, 0.2, would make the first entity longer.
    assert chem == Entity("Chem", 0, 1, pytest.approx(0.6 * 0.8))
    assert dis == Entity("Dis", 1, 3, pytest.approx(0.5 * 0.4))


def test_an_inside_without_a_beginning_is_an_entity(untyped):
    prediction = decode(
        untyped, example("severe Liver"), [[0.6, 0.2, 0.2], [0.2, 0.2, 0.6]]
    )
    assert prediction.labels == ("O", "I")
    assert [(e.start, e.end) for e in prediction.entities] == [(1, 2)]


def test_a_model_without_inside_labels(task):
    task = dataclasses.replace(task, labels=("O", "B-Dis"))
    prediction = decode(task, example("Liver with"), [[0.3, 0.7], [0.9, 0.1]])
    assert prediction.entities == (Entity("Dis", 0, 1, pytest.approx(0.7)),)


def test_words_of_all_windows_are_decided(untyped):
    task = dataclasses.replace(untyped, max_seq_length=4)
    text = "severe Liver cancer with aspirin"
    probabilities = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], *[[0.8, 0.1, 0.1]] * 3]
    assert len(task.featurize([example(text)])) > 1
    prediction = decode(task, example(text), probabilities)
    assert prediction.labels == ("O", "B", "O", "O", "O")


@pytest.mark.parametrize("label", ["[PAD]", "X", "[CLS]", "[SEP]", "O"])
def test_labels_that_are_none_mean_outside(master, label):
    row = [0.05] * 7
    row[toys.ORIGINAL_LABELS.index(label)] = 0.7
    prediction = decode(master, example("Liver"), [row])
    assert prediction == NerPrediction(("O",), ())


def test_words_that_were_cut_off_are_outside(master):
    task = dataclasses.replace(master, max_seq_length=4)
    is_b = [0.01, 0.9, 0.05, 0.01, 0.01, 0.01, 0.01]
    prediction = decode(task, example("Liver Liver Liver Liver"), [is_b, is_b])
    assert prediction.labels == ("B", "B", "O", "O")
    # The second I is 0.05 likely, the third word is surely outside.
    first, second = prediction.entities
    assert first.probability == pytest.approx(0.9 * 0.95)
    assert second.probability == pytest.approx(0.9)


def test_sentences_do_not_mix(untyped):
    sentences = [example("Liver"), example("aspirin helps")]
    records = untyped.featurize(sentences)
    assert [record.example for record in records] == [0, 1]
    log_probs = np.tile([0.0, -3.0, -3.0], (2, 8, 1))
    log_probs[1, 2] = [-3.0, 0.0, -3.0]
    first, second = untyped.decode(sentences, records, {"log_probs": log_probs})
    assert first.labels == ("O",)
    assert second.labels == ("O", "B")


# --- the loss -------------------------------------------------------------------------

LOGITS = np.array(
    [
        [[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 3.0], [1.0, 1.0, 0.0], [0.0, 5.0, 0.0]],
    ],
    np.float32,
)


def nats(logits, label):
    """Cross-entropy of one position."""
    return math.log(sum(map(math.exp, logits.tolist()))) - float(logits[label])


def loss(task, label_ids):
    batch = {"label_ids": tf.constant(label_ids)}
    totals = task.loss_totals(batch)
    return float(task.losses(batch, {"logits": tf.constant(LOGITS)}, totals)["loss"])


def test_loss_of_fixed_is_the_mean_over_labelled_words(untyped):
    expected = (
        nats(LOGITS[0, 1], 0) + nats(LOGITS[1, 0], 2) + nats(LOGITS[1, 2], 0)
    ) / 3
    assert loss(untyped, [[-1, 0, -1], [2, -1, 0]]) == pytest.approx(expected)


def test_loss_of_nothing_is_zero(untyped):
    assert loss(untyped, [[-1, -1, -1], [-1, -1, -1]]) == 0.0


def test_loss_of_the_original_is_a_sum_with_padding(master):
    label_ids = [[1, 0, 0], [2, 0, 0]]
    expected = sum(
        nats(LOGITS[i, j], label_ids[i][j]) for i in range(2) for j in range(3)
    )
    assert loss(master, label_ids) == pytest.approx(expected)


def test_a_padding_row_counts_nowhere(task, master):
    for each in (task, master):
        assert each.specs["label_ids"].padding == -1
        assert each.specs["input_ids"].padding == 0
        assert {spec.length for spec in each.specs.values()} == {8}
    rows = [[1, 0, 0], [-1, -1, -1]]
    expected = sum(nats(LOGITS[0, j], rows[0][j]) for j in range(3))
    assert loss(master, rows) == pytest.approx(expected)


def test_parts_of_a_batch_add_up(untyped):
    """Two replicas with the totals of the whole batch give its loss."""
    label_ids = tf.constant([[-1, 0, 1], [2, -1, -1]])
    totals = untyped.loss_totals({"label_ids": label_ids})
    parts = [
        float(
            untyped.losses(
                {"label_ids": label_ids[i : i + 1]},
                {"logits": tf.constant(LOGITS[i : i + 1])},
                totals,
            )["loss"]
        )
        for i in range(2)
    ]
    assert sum(parts) == pytest.approx(loss(untyped, label_ids.numpy()))


def test_predictions_by_hand(untyped):
    batch = {"label_ids": tf.constant([[-1, 0, -1], [2, -1, 0]])}
    arrays = untyped.predictions(batch, {"logits": tf.constant(LOGITS)})
    np.testing.assert_array_equal(arrays["words"], [1, 2])
    np.testing.assert_array_equal(arrays["label_ids"], batch["label_ids"])
    expected = [nats(LOGITS[0, 1], 0), nats(LOGITS[1, 0], 2) + nats(LOGITS[1, 2], 0)]
    np.testing.assert_allclose(arrays["loss"], expected, rtol=1e-6)
    assert float(arrays["log_probs"][1, 0, 2]) == pytest.approx(
        -nats(LOGITS[1, 0], 2), rel=1e-5
    )


def test_the_head_has_the_dropout_of_the_encoder(task):
    encoder = dataclasses.replace(toys.CONFIG, hidden_dropout_prob=0.3)
    model = task.build_model(encoder, seed=1)
    assert isinstance(model, heads.TokenClassifier)
    assert model.output_weights.shape == (len(task.labels), encoder.hidden_size)
    assert model.dropout_rate == 0.3


def test_what_is_new_in_a_checkpoint(task):
    assert {"output_weights", "output_bias"} <= set(task.new_head)
    assert "bert/embeddings/word_embeddings" not in task.new_head
    assert task.name == "ner"


def test_shuffling(task, master):
    assert task.shuffle_buffer(5000) == 5000
    assert master.shuffle_buffer(5000) == 100  # run_ner.py:336


# --- metrics --------------------------------------------------------------------------


def test_metrics_of_fixed(untyped):
    arrays = {
        "loss": np.array([1.0, 3.0, 5.0], np.float32),
        "words": np.array([2, 4, 0], np.float32),
    }
    assert untyped.metrics(arrays, batch_size=2) == {"loss": 1.5}


def test_metrics_of_the_original(master):
    """Loss: mean over batches of sums. Scores: mean over B and I, over pieces."""
    log_probs = np.full((3, 4, 7), -9.0)
    label_ids = np.array([[5, 1, 2, 6], [5, 1, 3, 6], [5, 3, 3, 6]])
    predicted = np.array([[5, 1, 3, 6], [5, 1, 1, 6], [5, 2, 3, 6]])
    np.put_along_axis(log_probs, predicted[..., None], 0.0, axis=-1)
    arrays = {
        "loss": np.array([1.0, 3.0, 5.0], np.float32),
        "label_ids": label_ids,
        "log_probs": log_probs,
    }
    # B: 2 of 3 found right, 2 of 2 gold. I: none right.
    assert master.metrics(arrays, batch_size=2) == pytest.approx(
        {"eval_precision": 1 / 3, "eval_recall": 0.5, "eval_f": 0.4, "loss": 4.5}
    )


def predict(labels):
    labels = tuple(labels.split())
    found = [Entity(c.type, c.start, c.end, 0.5) for c in chunks(labels)]
    return NerPrediction(labels, tuple(found))


SENTENCES = [
    example("severe nephritis with Sj\u00f6gren", "O B-Dis O B-Dis"),
    example("\u200b ##s", "B-Chem I-Chem"),
]
PREDICTED = [predict("O B-Dis O O"), predict("B-Chem O")]


def test_score_and_report(task):
    scores = task.score(SENTENCES, PREDICTED, seed=1)
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (3, 2, 1)
    assert scores.by_type["Dis"].f1 == pytest.approx(2 / 3)
    report = task.report(SENTENCES, PREDICTED).split("\n")
    assert report[0] == (
        "processed 6 tokens with 3 phrases; found: 2 phrases; correct: 1."
    )
    assert [line.split(":")[0].strip() for line in report[2:]] == ["Chem", "Dis"]


def test_labelled_is_all_or_nothing(task):
    assert task.is_labelled(SENTENCES)
    assert not task.is_labelled([*SENTENCES, example("Liver")])


# --- files ----------------------------------------------------------------------------


def files_of(task, sentences, predicted, arrays=None):
    records = task.featurize(sentences)
    return task.prediction_files(sentences, records, predicted, arrays or {})


def test_conll_file_has_real_words_and_types(task):
    texts = files_of(task, SENTENCES, PREDICTED)
    assert texts["NER_result_conll.txt"] == (
        "severe O O\nnephritis B-Dis B-Dis\nwith O O\nSj\u00f6gren B-Dis O\n\n"
        "\u200b B-Chem B-Chem\n##s I-Chem O\n\n"
    )


def test_untyped_entities_are_misc(untyped, master):
    sentences = [example("severe Liver", "O B")]
    texts = files_of(untyped, sentences, [predict("B I")])
    assert texts["NER_result_conll.txt"] == "severe O B-MISC\nLiver B-MISC I-MISC\n\n"
    # ner_detokenize.py:152 writes the suffix behind O too.
    arrays = {"log_probs": np.zeros((1, 8, 7))}
    texts = files_of(master, sentences, [predict("B I")], arrays)
    assert texts["NER_result_conll.txt"] == (
        "severe O-MISC B-MISC\nLiver B-MISC I-MISC\n\n"
    )
    assert untyped.report(sentences, [predict("O B")]).endswith("100.00  1")


def test_predictions_file(task):
    text = files_of(task, SENTENCES, PREDICTED)["predictions.jsonl"]
    first, second = map(json.loads, text.splitlines())
    assert first == {
        "words": ["severe", "nephritis", "with", "Sj\u00f6gren"],
        "labels": ["O", "B-Dis", "O", "O"],
        "gold": ["O", "B-Dis", "O", "B-Dis"],
        "entities": [
            {
                "type": "Dis",
                "start": 1,
                "end": 2,
                "text": "nephritis",
                "probability": 0.5,
            }
        ],
    }
    assert second["entities"][0]["text"] == "\u200b"
    assert "Sj\u00f6gren" in text  # readable, not escaped


def test_predictions_say_the_document_where_it_is_known(task):
    sentence = dataclasses.replace(example("severe Liver"), document=3)
    texts = files_of(task, [sentence], [predict("B-Dis I-Dis")])
    [row] = map(json.loads, texts["predictions.jsonl"].splitlines())
    assert row["document"] == 3


def test_predictions_without_gold_labels(task):
    texts = files_of(task, [example("severe Liver")], [predict("B-Dis I-Dis")])
    assert texts.pop("NER_result_conll.txt") is None
    assert sorted(texts) == ["predictions.jsonl"]
    [row] = map(json.loads, texts["predictions.jsonl"].splitlines())
    assert "gold" not in row
    assert row["entities"][0]["text"] == "severe Liver"


@pytest.mark.parametrize("compat", ["fixed", "master"])
def test_a_type_names_the_entities_and_leaves_labels_and_scores(untyped, compat):
    labels = {"fixed": ("O", "B", "I"), "master": toys.ORIGINAL_LABELS}[compat]
    plain = dataclasses.replace(untyped, labels=labels, compat=compat)
    named = dataclasses.replace(plain, entity_type="Disease")
    sentence = example("severe Liver", "O B")
    found = []
    for task in (plain, named):
        rows = [[float(x == want) for x in labels] for want in ("B", "I")]
        prediction = decode(task, sentence, [list(np.add(row, 1e-9)) for row in rows])
        log_probs = np.zeros((1, 8, len(labels)))
        texts = task.prediction_files(
            [sentence],
            task.featurize([sentence]),
            [prediction],
            {"log_probs": log_probs},
        )
        [row] = map(json.loads, texts.pop("predictions.jsonl").splitlines())
        types = [entity.pop("type") for entity in row["entities"]]
        scores = task.score([sentence], [prediction], seed=1)
        found.append((types, row, texts, scores, task.report([sentence], [prediction])))
    assert [types for types, *_ in found] == [["MISC"], ["Disease"]]
    assert found[0][1:] == found[1][1:]
    assert found[1][1]["labels"] == ["B", "I"]


def test_files_of_the_original(master):
    sentences = [example("nephritis", "B")]
    log_probs = np.full((1, 8, 7), -9.5)
    labels = ["[CLS]", "B", "[PAD]", "[SEP]"]
    for position, label in enumerate(labels):
        log_probs[0, position, toys.ORIGINAL_LABELS.index(label)] = -0.5
    arrays = {"log_probs": log_probs}
    texts = files_of(master, sentences, [predict("B")], arrays)
    assert texts["token_test.txt"] == "[CLS]\nnephr\n##itis\n[SEP]\n"
    assert texts["label_test.txt"] == "[CLS]\nB\nO\n[SEP]\n"  # [PAD] is written as O
    assert "logits_test.txt" not in texts  # lost in master
    assert texts["NER_result_sent-debug.txt"] == (
        "ANS (1): nephritis\nPRD (1): nephritis\n\n"
    )
    paper = dataclasses.replace(master, compat="paper")
    texts = files_of(paper, sentences, [predict("B")], arrays)
    lines = texts["logits_test.txt"].splitlines()
    assert "NER_result_sent-debug.txt" not in texts  # its detokenizer has no --debug
    assert len(lines) == 4
    assert lines[1] == "-9.5\t-0.5\t-9.5\t-9.5\t-9.5\t-9.5\t-9.5"


def test_fixed_writes_no_files_of_the_original(task):
    texts = files_of(task, SENTENCES, PREDICTED)
    assert sorted(texts) == ["NER_result_conll.txt", "predictions.jsonl"]


def test_records_say_what_they_decide(task):
    [record] = task.featurize([example("nephritis helps", "B-Dis O")])
    assert isinstance(record, NerRecord)
    assert set(record.features) == set(task.specs)


# --- recorded outputs -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Replay:
    """A run of the original, and the same run here."""

    folder: Path
    run: dict
    task: NerTask
    arrays: dict
    output: Path

    @property
    def sentences(self):
        path = self.folder.parent / "data" / "test.tsv"
        return ner_reading.read_examples(path, self.task.compat, needs_labels=True)

    @property
    def same_labels(self):
        ours, theirs = (
            (folder / "label_test.txt").read_text("utf-8")
            for folder in (self.output, self.folder)
        )
        return ours == theirs

    def comparable(self, name):
        """Whether the original's detokenizer came through, and on whole words.

        It takes every piece without `##` for a word of its own: one word that splits
        at punctuation, or vanishes, and all that follows is shifted.
        """
        outcome = json.loads((self.folder / "detokenize.json").read_text("utf-8"))
        if outcome[name]["returncode"]:
            return False
        num_lines = len(self.conll(name).splitlines())
        is_whole = all(
            pieces and all(piece.startswith("##") for piece in pieces[1:])
            for sentence in self.sentences
            for pieces in map(self.task.tokenizer.tokenize, sentence.words)
        )
        num_words = sum(len(sentence.words) + 1 for sentence in self.sentences)
        return is_whole and num_lines == num_words

    def conll(self, name):
        file = self.folder / f"detokenized_{name}" / "NER_result_conll.txt"
        return file.read_text("utf-8")


@pytest.fixture(scope="module")
def replays(golden, tmp_path_factory):
    """Runs the original's random model as it ran it, on every set."""
    found = []
    for file in sorted(golden.glob("ner/*/*/run.json")):
        folder, run = file.parent, json.loads(file.read_text("utf-8"))
        if run["status"] != "ok":
            continue
        output = tmp_path_factory.mktemp("replay") / "output"
        lower = "--do_lower_case=true" in run["flags"]
        vocab_file = "vocab_uncased.txt" if lower else "vocab_cased.txt"
        compat = "paper" if folder.name.startswith("tag_") else "master"
        argv = [
            "run_ner.py",
            *run["flags"],
            # The loss of the test file is of batches of evaluation all the same.
            "--predict_batch_size=13",
            f"--compat={compat}",
            f"--data_dir={folder.parent / 'data'}",
            f"--output_dir={output}",
            f"--init_checkpoint={golden / run['init_checkpoint']}",
            f"--vocab_file={golden / 'tokenization' / vocab_file}",
        ]
        settings = flags.parse(NerConfig, argv)
        model = ner_run.run(settings)
        batch_size = settings.finetuning.predict_batch_size
        arrays = model.estimator.predict(
            records.rows([output / "predict.tf_record"], model.task.specs), batch_size
        )
        found.append(Replay(folder, run, model.task, arrays, output))
    assert found
    return found


@pytest.mark.golden
def test_log_probs_are_the_originals(replays):
    for replay in replays:
        records = replay.task.featurize(replay.sentences)
        ours = np.concatenate(
            [
                rows[: len(record.pieces)]
                for record, rows in zip(
                    records, replay.arrays["log_probs"], strict=True
                )
            ]
        )
        with np.load(replay.folder / "predictions.npz") as expected:
            lengths = [len(record.pieces) for record in records]
            assert lengths == expected["lengths"].tolist(), replay.folder
            np.testing.assert_allclose(
                ours, expected["log_probs"], rtol=0, atol=1e-5, err_msg=replay.folder
            )
            second, best = np.sort(expected["log_probs"], axis=-1)[:, -2:].T
            differs = ours.argmax(-1) != expected["predict"]
            assert not (differs & (best - second > 1e-4)).any(), replay.folder


@pytest.mark.golden
def test_piece_files_are_the_originals(replays):
    for replay in replays:
        ours, theirs = (
            [
                (folder / name).read_text("utf-8").split("\n")
                for name in ("token_test.txt", "label_test.txt")
            ]
            for folder in (replay.output, replay.folder)
        )
        assert ours[0] == theirs[0], replay.folder
        with np.load(replay.folder / "predictions.npz") as expected:
            second, best = np.sort(expected["log_probs"], axis=-1)[:, -2:].T
        is_close = [*(best - second < 1e-4), False]  # the last line is empty
        for mine, other, may_differ in zip(ours[1], theirs[1], is_close, strict=True):
            assert mine == other or may_differ, replay.folder


@pytest.mark.golden
def test_debug_report_shows_where_the_original_stops(replays):
    """Its --debug dies at the first sentence that was cut, or that it took apart."""
    num_stops = 0
    for replay in replays:
        file = replay.output / "NER_result_sent-debug.txt"
        assert file.exists() == (replay.task.compat == "master")
        outcome = json.loads((replay.folder / "detokenize.json").read_text("utf-8"))
        # Where blank lines follow each other, it sees sentences without words.
        text = "\n" + file_text(replay.folder.parent / "data" / "test.tsv")
        if not file.exists() or "\n\n\n" in text or text.startswith("\n\n"):
            continue
        rows = file_text(file).split("\n\n")[:-1]
        found = [
            [line.split(": ", 1)[1].split() for line in row.split("\n")] for row in rows
        ]
        assert [len(words) for words, _ in found] == [
            len(sentence.words) for sentence in replay.sentences
        ]
        differing = [row for row in found if len(row[0]) != len(row[1])]
        recorded = outcome["random_model_debug"]
        assert bool(differing) == bool(recorded["returncode"]), replay.folder
        if differing:
            # The last line of the message, which is recorded up to some length.
            message = f"pred_sent : {differing[0][1]}"
            assert message.startswith(recorded["error"]), replay.folder
            assert len(recorded["error"]) > 80
            num_stops += 1
    assert num_stops


def file_text(path):
    return path.read_bytes().decode("utf-8").replace("\r\n", "\n")


@pytest.mark.golden
def test_logits_file_is_the_originals(replays):
    num_files = 0
    for replay in replays:
        file = replay.folder / "logits_test.txt.gz"
        written = replay.output / "logits_test.txt"
        assert written.exists() == (replay.task.compat == "paper")
        if file.exists():
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                expected = np.loadtxt(lines, delimiter="\t")
            ours = np.loadtxt(written, delimiter="\t")
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)
            num_files += 1
    assert num_files


@pytest.mark.golden
def test_evaluation_is_the_originals(replays):
    for replay in replays:
        results = json.loads((replay.output / "results.json").read_text("utf-8"))
        for stage, expected in zip(
            ("devel", "test"), replay.run["evaluate_calls"], strict=True
        ):
            ours = {**results[stage]["metrics"], "global_step": results["global_step"]}
            assert ours == pytest.approx(expected, rel=1e-4), (replay.folder, stage)
        written, recorded = (
            dict(line.split(" = ") for line in file.read_text("utf-8").splitlines())
            for file in (
                replay.output / "eval_results.txt",
                replay.folder / "eval_results.txt",
            )
        )
        assert list(written) == sorted(written)
        for name, value in recorded.items():
            assert float(written[name]) == pytest.approx(float(value), rel=1e-4), name


def assert_same_columns(ours, theirs, where):
    """Equal labels; the original's words may be cut off or unknown."""
    for mine, other in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        if mine == other == "":
            continue
        word, *labels = mine.split(" ")
        their_word, *their_labels = other.split(" ")
        assert labels == their_labels, (where, mine, other)
        assert "[UNK]" in their_word or word.startswith(their_word), (where, mine)


@pytest.mark.golden
def test_conll_file_and_scores_are_the_originals(replays):
    num_compared = 0
    for replay in replays:
        if not (replay.comparable("random_model") and replay.same_labels):
            continue
        file = replay.output / "NER_result_conll.txt"
        theirs = replay.conll("random_model")
        assert_same_columns(file.read_text("utf-8"), theirs, replay.folder)
        folder = replay.folder / "detokenized_random_model"
        report = (folder / "conlleval.txt").read_text("utf-8")
        assert conlleval.report_file(file) == report
        num_compared += 1
    assert num_compared


@pytest.mark.golden
def test_decoding_of_recorded_labels(replays):
    """Gold labels with noise, where the scores are not near zero."""
    num_compared = 0
    for replay in replays:
        if not replay.comparable("noisy_gold"):
            continue
        task, sentences = replay.task, replay.sentences
        records = task.featurize(sentences)
        folder = replay.folder / "detokenized_noisy_gold"
        labels = iter((folder / "label_test.txt").read_text("utf-8").split())
        log_probs = np.full((len(records), task.max_seq_length, len(task.labels)), -9.0)
        for record, rows in zip(records, log_probs, strict=True):
            for position in range(len(record.pieces)):
                rows[position, task.labels.index(next(labels))] = 0.0
        assert next(labels, None) is None
        arrays = {"log_probs": log_probs}
        predicted = task.decode(sentences, records, arrays)
        texts = task.prediction_files(sentences, records, predicted, arrays)
        theirs = replay.conll("noisy_gold")
        assert_same_columns(texts["NER_result_conll.txt"], theirs, replay.folder)
        report = (folder / "conlleval.txt").read_text("utf-8")
        assert f"{task.report(sentences, predicted)}\n" == report, replay.folder
        num_compared += 1
    assert num_compared
