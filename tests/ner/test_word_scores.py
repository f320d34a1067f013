# SPDX-License-Identifier: Apache-2.0
"""Scores of words: by hand, and as scikit-learn has them."""

import random

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from biobert_tf.ner import reading, word_scores
from biobert_tf.ner import scores as entities

LABELS = ("O", "B-PAR", "I-PAR", "B-INT", "I-INT", "B-OUT", "I-OUT")


def split(pairs):
    return [(gold.split(), predicted.split()) for gold, predicted in pairs]


def test_scores_by_hand():
    pairs = split(
        [
            # Of P one word of two; where an entity begins does not count.
            ("B-P I-P O", "I-P O O"),
            # O is right, and taken once too often.
            ("B-O I-O O", "B-O B-O I-O"),
            ("O", "O"),
        ]
    )
    found = entities.score(pairs, seed=0)
    by_type = {name: one.f1 for name, one in found.words.by_type.items()}
    assert by_type == pytest.approx({"O": 4 / 5, "P": 2 / 3})
    assert found.words.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found.words.interval.low <= found.words.macro_f1
    values = found.to_dict()
    assert values["word_macro_f1"] == found.words.macro_f1
    assert values["words_by_type"]["P"]["num_gold"] == 2
    # Not one entity is right.
    assert found.f1 == 0


def random_pairs(seed, labels=LABELS, number=60):
    """Sentences whose words are labelled wrongly in one case of three."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(number):
        gold = rng.choices(labels, k=rng.randint(1, 12))
        found = [x if rng.random() > 1 / 3 else rng.choice(labels) for x in gold]
        pairs.append((gold, found))
    return pairs


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("labels", [LABELS, ("O", "B", "I")])
def test_agrees_with_sklearn(seed, labels):
    pairs = random_pairs(seed, labels)
    names = {x: x[2:] or ("O" if x == "O" else "MISC") for x in labels}
    gold, found = (
        [names[label] for pair in pairs for label in pair[i]] for i in range(2)
    )
    types = sorted({*gold} - {"O"})
    wanted = sklearn_metrics.f1_score(gold, found, labels=types, average="macro")
    score = word_scores.score(pairs, seed, 50)
    assert score.macro_f1 == pytest.approx(wanted, abs=1e-12)
    each = sklearn_metrics.f1_score(gold, found, labels=types, average=None)
    assert [one.f1 for one in score.by_type.values()] == pytest.approx(each.tolist())
    assert list(score.by_type) == types


def test_a_type_that_the_gold_labels_lack_is_none():
    pairs = split([("B-P O", "B-P B-X"), ("B-P", "B-X")])
    score = word_scores.score(pairs, 0, 10)
    assert list(score.by_type) == ["P"]
    assert score.macro_f1 == pytest.approx(2 / 3)


def test_without_entities_it_is_zero():
    score = word_scores.score(split([("O O", "O B-P")]), 0, 10)
    assert (score.macro_f1, score.interval, score.by_type) == (0, (0, 0), {})


def test_the_interval_is_over_sentences():
    pairs = random_pairs(3, number=100)
    score = word_scores.score(pairs, 0, 4000)
    rng = np.random.default_rng(7)
    drawn = [
        word_scores.score([pairs[i] for i in rng.integers(100, size=100)], 0, 1)
        for _ in range(400)
    ]
    ends = np.percentile([each.macro_f1 for each in drawn], [2.5, 97.5])
    assert score.interval == pytest.approx(tuple(ends), abs=0.012)


@pytest.mark.data
def test_the_words_of_pico_are_those_published(data):
    """Table 3 of BLURB's paper counts 16,364 labelled words of the test set."""
    path = data / "ner" / "EBM-PICO" / "test.tsv"
    golds = [each.labels for each in reading.read_examples(path, "fixed", True)]
    types = word_scores.types_of(golds)
    assert types == ["INT", "OUT", "PAR"]
    found = word_scores.table([(gold, gold) for gold in golds], types)
    assert found.sum(0)[:3].tolist() == [3563, 8090, 4711]
    assert found.sum(0)[:3].sum() == 16364
    score = word_scores.score([(gold, gold) for gold in golds], 0, 10)
    assert (score.macro_f1, score.interval) == (1, (1, 1))
