# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import random

import ner_toys as toys
import numpy as np
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.ner import reading as ner_reading
from biobert_tf.ner.features import UNLABELLED, Featurizer
from biobert_tf.ner.reading import NerExample
from biobert_tf.text.tokenization import FullTokenizer


@pytest.fixture
def tokenizer(tmp_path):
    return FullTokenizer(toys.write_vocab(tmp_path / "vocab.txt"))


def example(text, labels=None, ends_blank=True):
    words, labels = tuple(text.split()), labels and tuple(labels.split())
    return NerExample(words, labels, ends_blank=ends_blank)


def ids(text):
    return [toys.ID[piece] for piece in text.split()]


# --- fixed ----------------------------------------------------------------------------


def featurize(tokenizer, sentence, max_seq_length, labels=toys.LABELS):
    featurizer = Featurizer(tokenizer, labels, max_seq_length, "fixed")
    return featurizer.records(4, sentence)


def test_a_small_sentence(tokenizer):
    sentence = example("severe nephritis .", "O B-Dis O")
    [record] = featurize(tokenizer, sentence, max_seq_length=8)
    assert record.pieces == ("[CLS]", "severe", "nephr", "##itis", ".", "[SEP]")
    assert record.features == {
        "input_ids": ids("[CLS] severe nephr ##itis . [SEP] [PAD] [PAD]"),
        "input_mask": [1, 1, 1, 1, 1, 1, 0, 0],
        "segment_ids": [0] * 8,
        # Only the first piece of a word has its label.
        "label_ids": [-1, 0, 3, -1, 0, -1, -1, -1],
    }
    assert record.example == 4
    assert record.words == ((0, 1), (1, 2), (2, 4))


def test_words_split_at_punctuation_stay_one_word(tokenizer):
    [record] = featurize(tokenizer, example("aspirin.nephritis helps"), 10)
    assert record.pieces[1:-1] == ("aspirin", ".", "nephr", "##itis", "helps")
    assert record.words == ((0, 1), (1, 5))


def test_words_without_pieces_are_unknown(tokenizer):
    sentence = example("Liver \u200b helps", "O B-Dis I-Dis")
    [record] = featurize(tokenizer, sentence, 6)
    assert record.pieces == ("[CLS]", "Liver", "[UNK]", "helps", "[SEP]")
    assert record.features["label_ids"] == [-1, 0, 3, 4, -1, -1]


def test_a_word_longer_than_a_window_is_cut(tokenizer):
    sentence = example("aspirins.nephritis helps", "B-Chem O")
    records = featurize(tokenizer, sentence, max_seq_length=5)
    assert [record.pieces for record in records] == [
        ("[CLS]", "aspirin", "##s", ".", "[SEP]"),
        ("[CLS]", "helps", "[SEP]"),
    ]
    assert [record.words for record in records] == [((0, 1),), ((1, 1),)]


def test_frames_of_partially_labelled_sets(tmp_path):
    vocab = [*toys.VOCAB, "<", ">", "/", "ALL", "Dis"]
    tokenizer = FullTokenizer(toys.write_vocab(tmp_path / "vocab.txt", vocab))
    labels = ("O", "O-Dis", "B-Dis", "I-Dis")
    sentence = dataclasses.replace(
        example("Liver cancer with severe", "B-Dis I-Dis O-Dis O-Dis"), scope="Dis"
    )
    records = featurize(tokenizer, sentence, 12, labels)
    assert [" ".join(record.pieces) for record in records] == [
        f"[CLS] < Dis > {inner} < / Dis > [SEP]"
        for inner in ("Liver cancer with", "cancer with severe")
    ]
    assert [record.words for record in records] == [((0, 4), (1, 5)), ((2, 5), (3, 6))]
    assert records[0].features["label_ids"] == [*[-1] * 4, 2, 3, *[-1] * 6]
    assert records[1].features["label_ids"] == [*[-1] * 5, 1, 1, *[-1] * 5]
    # A sentence without a scope is labelled for all types, or is asked for all.
    [record] = featurize(tokenizer, example("Liver"), 12, labels)
    assert " ".join(record.pieces) == "[CLS] < ALL > Liver < / ALL > [SEP]"
    # A model of fully labelled sets reads no frames.
    [record] = featurize(tokenizer, sentence, 12)
    assert record.pieces[1:-1] == ("Liver", "cancer", "with", "severe")
    with pytest.raises(InputError, match="max_seq_length=9: no room for words"):
        featurize(tokenizer, sentence, 9, labels)


def test_a_label_that_is_not_known_is_learned_as_outside(tokenizer):
    [record] = featurize(tokenizer, example("Liver", "B-Gene"), 4)
    assert record.features["label_ids"] == [-1, 0, -1, -1]


def test_windows_by_hand(tokenizer):
    """Four pieces fit; windows overlap by half; a tie goes to the earlier one."""
    text = "Liver cancer severe aspirin helps with ."
    labels = "B-Dis I-Dis O B-Chem O O O"
    records = featurize(tokenizer, example(text, labels), max_seq_length=6)
    assert [" ".join(record.pieces[1:-1]) for record in records] == [
        "Liver cancer severe aspirin",
        "severe aspirin helps with",
        "helps with .",
    ]
    # cancer has 2 words to its right; severe 1 there and 0 to its left in the next.
    assert [[word for word, _ in record.words] for record in records] == [
        [0, 1, 2],
        [3, 4],
        [5, 6],
    ]
    assert [record.features["label_ids"] for record in records] == [
        [-1, 3, 4, 0, -1, -1],
        [-1, -1, 1, 0, -1, -1],
        [-1, -1, 0, 0, -1, -1],
    ]


@pytest.mark.parametrize("seed", range(3))
def test_every_word_is_labelled_and_decided_once(tokenizer, seed):
    rng = random.Random(seed)
    for _ in range(30):
        words = rng.choices(["Liver", "nephritis", "aspirins", "\u200b"], k=40)
        labels = rng.choices(toys.LABELS, k=40)
        sentence = NerExample(tuple(words), tuple(labels))
        records = featurize(tokenizer, sentence, rng.randint(3, 30))
        decided = {}
        for record in records:
            row = record.features["label_ids"]
            for word, position in record.words:
                assert word not in decided
                decided[word] = toys.LABELS[row[position]]
            assert sum(id_ != UNLABELLED for id_ in row) == len(record.words)
        assert [decided[i] for i in range(40)] == labels


# --- the original ---------------------------------------------------------------------


def label_ids(labels):
    return [toys.ORIGINAL_LABELS.index(label) for label in labels.split()]


def test_master_by_hand(tokenizer):
    featurizer = Featurizer(tokenizer, toys.ORIGINAL_LABELS, 8, "master")
    sentence = example("severe \u200b nephritis .", "O B B O")
    [record] = featurizer.records(0, sentence)
    assert record.pieces == ("[CLS]", "severe", "nephr", "##itis", ".", "[SEP]")
    expected = label_ids("[CLS] O B X O [SEP] [PAD] [PAD]")
    assert record.features["label_ids"] == expected
    assert record.words == ((0, 1), (2, 2), (3, 4))  # the second word has vanished


def test_master_drops_what_does_not_fit(tokenizer):
    featurizer = Featurizer(tokenizer, toys.ORIGINAL_LABELS, 5, "master")
    [record] = featurizer.records(0, example("severe Liver nephritis .", "O O B O"))
    assert record.pieces == ("[CLS]", "severe", "Liver", "nephr", "[SEP]")
    assert record.words == ((0, 1), (1, 2), (2, 3))
    [record] = featurizer.records(0, example("severe nephritis nephritis", "O B B"))
    assert record.pieces == ("[CLS]", "severe", "nephr", "##itis", "[SEP]")
    assert record.words == ((0, 1), (1, 2))


def test_master_without_labels(tokenizer):
    featurizer = Featurizer(tokenizer, toys.ORIGINAL_LABELS, 6, "master")
    [record] = featurizer.records(0, example("severe nephritis"))
    assert record.features["label_ids"] == label_ids("[CLS] O O X [SEP] [PAD]")


def test_paper_cuts_after_30_words(tokenizer):
    featurizer = Featurizer(tokenizer, toys.ORIGINAL_LABELS, 64, "paper")
    sentence = NerExample(("Liver",) * 33, ("O",) * 28 + ("B",) + ("I",) * 4)
    records = featurizer.records(2, sentence)
    assert [len(record.pieces) - 2 for record in records] == [28, 5]
    assert [record.example for record in records] == [2, 2]
    assert records[1].words == tuple((28 + i, 1 + i) for i in range(5))


# --- recorded outputs -----------------------------------------------------------------

SPLITS = {"train": "train_dev.tsv", "eval": "devel.tsv", "predict": "test.tsv"}


def flags_of(run):
    """The flags of a recorded run, by name, as text."""
    return dict(flag.removeprefix("--").split("=", 1) for flag in run["flags"])


@pytest.mark.golden
def test_features_are_the_originals(golden):
    tokenizers = {}
    num_runs = 0
    for file in sorted(golden.glob("ner/*/*/run.json")):
        folder, run = file.parent, json.loads(file.read_text("utf-8"))
        if run["status"] != "ok":
            continue
        flags = flags_of(run)
        lower = flags.get("do_lower_case") == "true"
        if lower not in tokenizers:
            name = "vocab_uncased.txt" if lower else "vocab_cased.txt"
            vocab_file = golden / "tokenization" / name
            tokenizers[lower] = FullTokenizer(vocab_file, lower)
        compat = "paper" if folder.name.startswith("tag_") else "master"
        labels = sorted(run["label2id"], key=run["label2id"].get)
        ours = ner_reading.label_list([], compat)
        assert [ours[run["label2id"][label]] for label in labels] == labels
        featurizer = Featurizer(
            tokenizers[lower], ours, int(flags["max_seq_length"]), compat
        )
        for split, name in SPLITS.items():
            path = folder.parent / "data" / name
            examples = ner_reading.read_examples(path, compat, needs_labels=True)
            records = [
                record
                for i, sentence in enumerate(examples)
                for record in featurizer.records(i, sentence)
            ]
            with np.load(folder / f"features_{split}.npz") as expected:
                for key in expected.files:
                    actual = [record.features[key] for record in records]
                    where = f"{folder} {split} {key}"
                    np.testing.assert_array_equal(actual, expected[key], where)
                assert sorted(expected.files) == sorted(records[0].features)
        # The records left over are those of the test file.
        tokens = (folder / "token_test.txt").read_text("utf-8")
        pieces = [piece for record in records for piece in record.pieces]
        assert tokens == "".join(f"{piece}\n" for piece in pieces), folder
        num_runs += 1
    assert num_runs


@pytest.mark.golden
def test_fixed_loses_no_word_of_the_recorded_inputs(golden):
    tokenizer = FullTokenizer(golden / "tokenization" / "vocab_cased.txt")
    for path in sorted(golden.glob("ner/*/data/test.tsv")):
        examples = ner_reading.read_examples(path, "fixed", needs_labels=True)
        labels = ner_reading.label_list(examples, "fixed")
        for max_seq_length in (16, 128):
            featurizer = Featurizer(tokenizer, labels, max_seq_length, "fixed")
            for i, sentence in enumerate(examples):
                records = featurizer.records(i, sentence)
                decided = [word for record in records for word, _ in record.words]
                assert decided == list(range(len(sentence.words))), path
                assert all(len(r.pieces) <= max_seq_length for r in records)
