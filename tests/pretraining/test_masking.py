"""Features of pairs: by hand, what always holds, and the original's statistics."""

import numpy as np
import pytest
from statistics_of_runs import assert_same_means

from biobert_tf.common.settings import TextConfig
from biobert_tf.pretraining.data import exact, masking
from biobert_tf.pretraining.data.documents import PieceTable, TokenizedDocuments
from biobert_tf.pretraining.data.pairs import Pairs, make_pairs
from biobert_tf.pretraining.data.settings import PairConfig

NUM_WORDS, NUM_TAILS = 300, 100
VOCAB = {
    token: id_
    for id_, token in enumerate(
        [
            *("[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
            *(f"w{i}" for i in range(NUM_WORDS)),
            *(f"##t{i}" for i in range(NUM_TAILS)),
        ]
    )
}
PIECES = PieceTable.of(VOCAB)
FIRST_WORD, FIRST_TAIL = VOCAB["w0"], VOCAB["##t0"]


def one_document(token_ids):
    size = len(token_ids)
    return TokenizedDocuments(
        np.array(token_ids, np.uint16), np.array([0, size]), np.array([0, 1])
    )


def some_pairs(*slices):
    columns = np.array([[a, b, c, d] for a, b, c, d, _ in slices], np.int64).T
    return Pairs(*columns, np.array([is_random for *_, is_random in slices]))


def mask(documents, pairs, seed=0, max_seq_length=16, **settings):
    settings = {
        "max_predictions_per_seq": 4,
        "masked_lm_prob": 0.15,
        "do_whole_word_mask": False,
    } | settings
    return masking.static_features(
        documents,
        pairs,
        masking.MaskingRule(pieces=PIECES, pairs=PairConfig(**settings)),
        max_seq_length=max_seq_length,
        rng=np.random.default_rng(seed),
    )


def unmask(features):
    """The input ids as they were."""
    ids = features["input_ids"].copy()
    rows, slots = np.nonzero(features["masked_lm_weights"])
    positions = features["masked_lm_positions"][rows, slots]
    ids[rows, positions] = features["masked_lm_ids"][rows, slots]
    return ids


# --- by hand ---------------------------------------------------------------------


def test_unmasked_features_by_hand():
    documents = one_document([10, 11, 12, 13, 14, 15, 16])
    pairs = some_pairs((0, 2, 4, 7, True), (5, 6, 1, 2, False))
    features = masking.unmasked_features(documents, pairs, PIECES, max_seq_length=9)
    assert {name: values.tolist() for name, values in features.items()} == {
        "input_ids": [
            [3, 10, 11, 4, 14, 15, 16, 4, 0],
            [3, 15, 4, 11, 4, 0, 0, 0, 0],
        ],
        "input_mask": [[1, 1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0, 0, 0, 0]],
        "segment_ids": [[0, 0, 0, 0, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 0, 0, 0, 0]],
        "next_sentence_labels": [[1], [0]],
    }
    assert {values.dtype for values in features.values()} == {np.dtype(np.int32)}


def test_a_pair_may_fill_the_sequence():
    documents = one_document([10, 11, 12, 13])
    features = masking.unmasked_features(
        documents, some_pairs((0, 2, 2, 4, False)), PIECES, max_seq_length=7
    )
    assert features["input_ids"].tolist() == [[3, 10, 11, 4, 12, 13, 4]]
    assert features["input_mask"].all()


def test_everything_can_be_masked():
    documents = one_document([10, 11, 12, 13])
    pairs = some_pairs((0, 1, 1, 4, False))
    features = mask(
        documents,
        pairs,
        masked_lm_prob=1.0,
        max_predictions_per_seq=6,
        max_seq_length=9,
    )
    assert features["masked_lm_positions"].tolist() == [[1, 3, 4, 5, 0, 0]]
    assert features["masked_lm_ids"].tolist() == [[10, 11, 12, 13, 0, 0]]
    assert features["masked_lm_weights"].tolist() == [[1, 1, 1, 1, 0, 0]]
    assert set(features) == {
        "input_ids",
        "input_mask",
        "segment_ids",
        "next_sentence_labels",
        "masked_lm_positions",
        "masked_lm_ids",
        "masked_lm_weights",
    }
    assert features["masked_lm_weights"].dtype == np.float32
    assert features["input_ids"].dtype == features["masked_lm_ids"].dtype == np.int32


@pytest.mark.parametrize(
    "num_tokens, prob, most, expected",
    [
        (20, 0.15, 20, 3),
        (5, 0.15, 20, 1),  # 0.75
        (6, 0.05, 20, 1),  # 0.3: one at least
        (10, 0.25, 20, 2),  # 2.5: to the even number, as Python 3 rounds
        (14, 0.25, 20, 4),  # 3.5
        (20, 0.15, 2, 2),
    ],
)
def test_how_many_are_masked(num_tokens, prob, most, expected):
    documents = one_document([50] * 20)
    pairs = some_pairs((0, 1, 1, num_tokens - 3, False))
    features = mask(
        documents,
        pairs,
        masked_lm_prob=prob,
        max_predictions_per_seq=most,
        max_seq_length=32,
    )
    assert features["input_mask"].sum() == num_tokens
    assert features["masked_lm_weights"].sum() == expected


def test_whole_words_by_hand():
    head, tail = FIRST_WORD, FIRST_TAIL
    # A: a word of three pieces; B: the end of a word, a word of two.
    documents = one_document([head, tail, tail, tail, head, tail])
    pairs = some_pairs((0, 3, 3, 6, False))
    words = ([1, 2, 3], [5], [6, 7])

    def chosen(share):
        found = set()
        for seed in range(60):
            features = mask(
                documents,
                pairs,
                seed,
                do_whole_word_mask=True,
                masked_lm_prob=share,
                max_predictions_per_seq=6,
            )
            [positions] = features["masked_lm_positions"]
            found.add(tuple(p for p in positions.tolist() if p))
        return found

    # Of nine tokens, a third is three: one of the words, or both of the others.
    assert chosen(3 / 9) == {tuple(words[0]), tuple(words[1] + words[2])}
    # Two: what is too long is passed over, so that only one may be masked.
    assert chosen(2 / 9) == {tuple(words[1]), tuple(words[2])}
    assert chosen(6 / 9) == {(1, 2, 3, 5, 6, 7)}


def test_the_generator_decides():
    documents, pairs = toy_pairs(0)
    first, again, other = (
        mask(documents, pairs, s, max_seq_length=64) for s in (5, 5, 6)
    )
    assert np.array_equal(first["input_ids"], again["input_ids"])
    assert not np.array_equal(first["input_ids"], other["input_ids"])
    assert not np.array_equal(
        first["masked_lm_positions"], other["masked_lm_positions"]
    )


# --- what always holds -----------------------------------------------------------


def toy_documents(seed, num_documents=30):
    """Words of one piece, two or more, in sentences, in documents."""
    rng = np.random.default_rng(seed)
    token_ids, sentence_starts, document_starts = [], [0], [0]
    for _ in range(num_documents):
        for _ in range(rng.integers(1, 8)):
            for _ in range(rng.integers(1, 12)):
                token_ids.append(rng.integers(FIRST_WORD, FIRST_TAIL))
                num_tails = rng.choice([0, 1, 2, 5], p=[0.6, 0.2, 0.1, 0.1])
                token_ids += rng.integers(FIRST_TAIL, len(VOCAB), num_tails).tolist()
            sentence_starts.append(len(token_ids))
        document_starts.append(len(sentence_starts) - 1)
    return TokenizedDocuments(
        np.array(token_ids, np.uint16),
        np.array(sentence_starts),
        np.array(document_starts),
    )


def toy_pairs(seed, max_seq_length=64, dupe_factor=4):
    documents = toy_documents(0)
    pairs = make_pairs(
        documents,
        documents.num_documents,
        max_seq_length=max_seq_length,
        short_seq_prob=0.1,
        dupe_factor=dupe_factor,
        rng=np.random.default_rng(seed),
    )
    return documents, pairs


@pytest.mark.parametrize("do_whole_word_mask", [False, True])
def test_masked_features_fit_together(do_whole_word_mask):
    documents, pairs = toy_pairs(1)
    features = mask(
        documents,
        pairs,
        max_seq_length=64,
        max_predictions_per_seq=7,
        do_whole_word_mask=do_whole_word_mask,
    )
    plain = masking.unmasked_features(documents, pairs, PIECES, max_seq_length=64)
    assert np.array_equal(unmask(features), plain["input_ids"])
    for name in ("input_mask", "segment_ids", "next_sentence_labels"):
        assert np.array_equal(features[name], plain[name])

    weights = features["masked_lm_weights"]
    positions = features["masked_lm_positions"]
    assert set(np.unique(weights)) == {0.0, 1.0}
    assert np.all(np.diff(weights) <= 0)  # first the used slots, then the others
    assert np.all((np.diff(positions) > 0) | (weights[:, 1:] == 0))
    assert not positions[weights == 0].any()
    assert not features["masked_lm_ids"][weights == 0].any()
    assert not np.isin(features["masked_lm_ids"], [3, 4, 5]).any()
    wanted = np.clip(np.round(plain["input_mask"].sum(1) * 0.15), 1, 7)
    if do_whole_word_mask:
        assert np.all(weights.sum(1) <= wanted)
    else:
        assert np.array_equal(weights.sum(1), wanted)


def test_words_are_masked_whole():
    documents, pairs = toy_pairs(2)
    features = mask(
        documents,
        pairs,
        max_seq_length=64,
        max_predictions_per_seq=10,
        do_whole_word_mask=True,
    )
    is_chosen = np.zeros(features["input_ids"].shape, bool)
    rows, slots = np.nonzero(features["masked_lm_weights"])
    is_chosen[rows, features["masked_lm_positions"][rows, slots]] = True
    ids = unmask(features)
    is_tail = PIECES.is_continuation[ids] & ~np.isin(np.roll(ids, 1, 1), [3, 4])
    assert np.array_equal(is_chosen[is_tail], np.roll(is_chosen, 1, 1)[is_tail])
    assert (is_chosen & is_tail).sum() > 100


def test_what_stands_in_the_input():
    documents = one_document([FIRST_WORD + 7] * 120)
    pairs = some_pairs(*[(0, 60, 60, 120, False)] * 2000)
    features = mask(
        documents,
        pairs,
        max_seq_length=128,
        max_predictions_per_seq=40,
        masked_lm_prob=0.25,
    )
    rows, slots = np.nonzero(features["masked_lm_weights"])
    columns = features["masked_lm_positions"][rows, slots]
    shown = features["input_ids"][rows, columns]
    size = len(shown)
    assert size == 2000 * 31
    # Deviations of the shares: 0.0016, 0.0012, 0.0012.
    is_mask, is_kept = shown == VOCAB["[MASK]"], shown == FIRST_WORD + 7
    assert abs(is_mask.mean() - 0.8) < 0.007
    assert abs(is_kept.mean() - 0.1) < 0.006
    replaced = shown[~is_mask & ~is_kept]
    assert abs(len(replaced) / size - 0.1) < 0.006
    # Every ordinary piece and no other: about 15 of each.
    assert set(replaced) == set(range(FIRST_WORD, len(VOCAB))) - {FIRST_WORD + 7}
    assert np.bincount(replaced).max() < 40
    # Every position alike: 525 of each, deviation 20.
    counts = np.delete(np.bincount(columns, minlength=122), [0, 61])
    assert abs(counts - size / 120).max() < 100
    # The draw is made for each position, not for each row or column.
    assert 0.79 < is_mask.reshape(2000, 31).mean(1).std() / np.sqrt(0.16 / 31) < 1.2


# --- the statistics of the original ----------------------------------------------


def statistics(ids, masked_ids, positions):
    """Counts of the masks of a pass."""
    is_tail = PIECES.is_continuation[ids]
    is_chosen = np.zeros(ids.shape, bool)
    rows, slots = np.nonzero(positions)
    is_chosen[rows, positions[rows, slots]] = True
    num_chosen = is_chosen.sum(1)
    runs = np.diff(np.flatnonzero(np.diff(is_chosen, axis=1, append=False).ravel()))[
        ::2
    ]
    counts = {
        "tails": (is_tail & is_chosen).sum(),
        "heads": (~is_tail & is_chosen).sum(),
        "masks": (masked_ids == PIECES.mask_id).sum(),
        "changes": (masked_ids != ids).sum(),
        "tokens": (ids > 0).sum(),
    }
    for name, values, size in (
        ("chosen in a pair", num_chosen, 12),
        ("run of chosen", runs, 12),
        ("position", positions[rows, slots], 64),
    ):
        histogram = np.bincount(np.minimum(values, size - 1), minlength=size)
        counts |= {f"{name}: {i}": count for i, count in enumerate(histogram)}
    return counts


def masks_of_the_original(documents, seed, do_whole_word_mask):
    settings = PairConfig(
        random_seed=seed,
        dupe_factor=1,
        max_predictions_per_seq=10,
        do_whole_word_mask=do_whole_word_mask,
    )
    # exact.py may replace by special tokens, which would be counted as masks.
    vocab = {token: id_ for token, id_ in VOCAB.items() if id_ > 2}
    text = TextConfig(max_seq_length=64)
    instances = exact.make_instances(documents, vocab, text, settings)
    masked_ids = np.zeros((len(instances), 64), np.int32)
    ids, positions = masked_ids.copy(), np.zeros((len(instances), 10), np.int32)
    for row, instance in enumerate(instances):
        masked_ids[row, : len(instance.input_ids)] = instance.input_ids
        ids[row] = masked_ids[row]
        ids[row, instance.masked_lm_positions] = instance.masked_lm_ids
        positions[row, : len(instance.masked_lm_ids)] = instance.masked_lm_positions
    return statistics(ids, masked_ids, positions)


@pytest.mark.parametrize("do_whole_word_mask", [False, True])
def test_masks_are_distributed_as_those_of_the_original(do_whole_word_mask):
    documents = toy_documents(0)
    theirs, ours = [], []
    for seed in range(120):
        theirs.append(masks_of_the_original(documents, seed, do_whole_word_mask))
        documents, pairs = toy_pairs(seed)
        features = mask(
            documents,
            pairs,
            seed,
            max_seq_length=64,
            max_predictions_per_seq=10,
            do_whole_word_mask=do_whole_word_mask,
        )
        four_passes = statistics(
            unmask(features), features["input_ids"], features["masked_lm_positions"]
        )
        ours.append({name: count / 4 for name, count in four_passes.items()})
    assert_same_means(theirs, ours)
