# SPDX-License-Identifier: Apache-2.0
import json
import random

import numpy as np
import pytest

from biobert_tf.ner import conlleval
from biobert_tf.ner import scores as entities

PAIRS = [
    ("B-D I-D O B-G", "B-D I-D O B-D"),  # D is right, G has the wrong type
    ("O B-D O", "O B-D I-D"),  # the end is wrong
    ("O O", "O B-G"),
]


def split(pairs):
    return [(gold.split(), predicted.split()) for gold, predicted in pairs]


def test_scores_by_hand():
    scores = entities.score(split(PAIRS), seed=0)
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (3, 4, 1)
    assert scores.precision == pytest.approx(1 / 4)
    assert scores.recall == pytest.approx(1 / 3)
    assert scores.f1 == pytest.approx(2 / 7)
    assert scores.num_sentences == 3
    assert scores.by_type == {
        "D": entities.Score(2, 3, 1),
        "G": entities.Score(1, 1, 0),
    }
    assert list(scores.by_type) == ["D", "G"]


def test_untyped_entities_are_named_but_not_matched_as_typed():
    pairs = split([("B I O B-MISC", "B I O B-MISC"), ("B", "B-MISC")])
    scores = entities.score(pairs, seed=0)
    assert scores.by_type == {entities.UNTYPED: entities.Score(3, 3, 2)}


def test_entities_end_with_their_sentence():
    scores = entities.score(split([("B", "B"), ("I", "I")]), seed=0)
    assert scores.num_correct == 2


def test_nothing_predicted_is_zero_not_an_error():
    scores = entities.score([(["B"], ["O"]), (["O"], ["O"])], seed=0)
    assert (scores.precision, scores.recall, scores.f1) == (0, 0, 0)
    assert scores.f1_interval == (0, 0)


def test_bad_pairs_are_refused():
    with pytest.raises(ValueError, match="no sentences"):
        entities.score([], seed=0)
    with pytest.raises(ValueError, match="sentence 1 has 1 gold labels, 2 predicted"):
        entities.score([(["O"], ["O"]), (["O"], ["O", "O"])], seed=0)


def test_to_dict_is_json():
    scores = entities.score(split(PAIRS), seed=0, num_resamples=10)
    values = json.loads(json.dumps(scores.to_dict()))
    assert values["f1"] == scores.f1
    assert values["num_correct"] == 1
    assert values["num_sentences"] == 3
    assert values["by_type"]["D"] == {
        "precision": 1 / 3,
        "recall": 1 / 2,
        "f1": 2 / 5,
        "num_gold": 2,
        "num_predicted": 3,
        "num_correct": 1,
    }
    intervals = {tuple(ends) for ends in values["interval_95"].values()}
    assert len(intervals) == 4
    for name in ("precision", "recall", "f1"):
        interval = getattr(scores, f"{name}_interval")
        assert values["interval_95"][name] == [interval.low, interval.high]


def test_interval_of_a_proportion_is_the_binomial_one():
    # 100 sentences with one gold entity each, half of them found: resampled recall
    # is Binomial(100, 1/2) / 100, whose 2.5 % and 97.5 % points are 0.40 and 0.60.
    pairs = [(["B"], ["B"]), (["B"], ["O"])] * 50
    scores = entities.score(pairs, seed=1, num_resamples=20000)
    assert scores.recall_interval == pytest.approx((0.40, 0.60), abs=0.0101)
    assert scores.precision_interval == (1, 1)
    recall = np.array(scores.recall_interval)
    assert scores.f1_interval == pytest.approx(2 * recall / (1 + recall))


def test_interval_equals_that_of_drawing_sentences():
    pairs = random_pairs(200, seed=3)
    scores = entities.score(pairs, seed=0, num_resamples=5000)
    table = np.array(
        [
            (one.num_gold, one.num_predicted, one.num_correct)
            for one in (
                entities.score([pair], seed=0, num_resamples=1) for pair in pairs
            )
        ]
    )
    drawn = np.random.default_rng(7).integers(len(table), size=(5000, len(table)))
    gold, predicted, correct = table[drawn].sum(1).T
    for interval, samples in (
        (scores.precision_interval, correct / predicted),
        (scores.recall_interval, correct / gold),
        (scores.f1_interval, 2 * correct / (gold + predicted)),
    ):
        # The ends are quantiles of 5000 draws; the interval is about 0.1 wide.
        assert interval == pytest.approx(np.percentile(samples, [2.5, 97.5]), abs=0.006)
        assert interval.high - interval.low > 0.03


def test_the_seed_decides():
    pairs = random_pairs(50, seed=4)
    first, same, other = (entities.score(pairs, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first.f1_interval != other.f1_interval
    assert first.to_dict()["by_type"] == other.to_dict()["by_type"]


def random_pairs(num_pairs, seed):
    """Returns pairs of IOB, IOBES or untyped labels, the predicted ones noisy."""
    rng = random.Random(seed)
    tagged = [f"{tag}-{kind}" for tag in "BIES" for kind in ("D", "G", "D-2")]
    labels = ["O", "O", "B", "I", "E", *tagged]
    pairs = []
    for _ in range(num_pairs):
        gold = rng.choices(labels, k=rng.randint(0, 12))
        predicted = [rng.choice(labels) if rng.random() < 0.2 else g for g in gold]
        pairs.append((gold, predicted))
    return pairs


def test_counts_agree_with_conlleval(tmp_path):
    """300 random sentences, scored one by one and as one file by the report."""
    pairs = random_pairs(300, seed=12345)
    scores = entities.score(pairs, seed=0)
    path = tmp_path / "results.conll"
    path.write_text(
        "\n".join(
            "".join(f"w {g} {p}\n" for g, p in zip(gold, predicted, strict=True))
            for gold, predicted in pairs
        )
    )
    counts = conlleval.evaluate(conlleval.read_sentences(path))
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (
        (counts.gold.total(), counts.found.total(), counts.correct.total())
    )
    assert 0 < scores.num_correct < scores.num_gold
    for name, one in scores.by_type.items():
        kind = "" if name == entities.UNTYPED else name
        assert one == entities.Score(
            counts.gold[kind], counts.found[kind], counts.correct[kind]
        )
    assert len(scores.by_type) == len(counts.gold) == 4


@pytest.mark.golden
def test_counts_agree_with_every_recorded_run(golden):
    num_compared = 0
    for path in sorted(golden.rglob("NER_result_conll.txt")):
        sentences = conlleval.read_sentences(path)
        labels = {label for pair in sentences for column in pair for label in column}
        # The original's detokenizer can write gold labels such as [SEP]-MISC, which
        # leave entities open: there the two need not agree.
        if {label.partition("-")[0] for label in labels} <= set("BIO"):
            num_compared += 1
            scores = entities.score(sentences, seed=0, num_resamples=10)
            counts = conlleval.evaluate(sentences)
            assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (
                (counts.gold.total(), counts.found.total(), counts.correct.total())
            ), str(path)
    assert num_compared
