"""Sentence pairs: by hand, what always holds, and the original's statistics."""

import itertools

import numpy as np
import pytest
from statistics_of_runs import assert_same_means

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.pretraining.data import exact
from biobert_tf.pretraining.data.documents import TokenizedDocuments
from biobert_tf.pretraining.data.pairs import Pairs, make_pairs
from biobert_tf.pretraining.data.settings import PairConfig

VOCAB = {"[CLS]": 60001, "[SEP]": 60002, "[MASK]": 60003, "a": 60004}


def numbered(lengths):
    """Documents of sentences of these lengths; each token is its own number."""
    sentences = [length for document in lengths for length in document]
    return TokenizedDocuments(
        np.arange(sum(sentences), dtype=np.uint16),
        np.cumsum([0, *sentences]),
        np.cumsum([0, *map(len, lengths)]),
    )


def random_lengths(rng, num_documents, max_sentences, max_length):
    return [
        rng.integers(1, max_length + 1, rng.integers(1, max_sentences + 1)).tolist()
        for _ in range(num_documents)
    ]


def pair(documents, seed=0, **settings):
    settings = {
        "num_own": documents.num_documents,
        "max_seq_length": 64,
        "short_seq_prob": 0.0,
        "dupe_factor": 1,
    } | settings
    return make_pairs(
        documents, settings.pop("num_own"), rng=np.random.default_rng(seed), **settings
    )


def rows(pairs):
    return [
        (list(range(a, b)), list(range(c, d)), bool(is_random))
        for a, b, c, d, is_random in zip(*pairs, strict=True)
    ]


# --- by hand ---------------------------------------------------------------------


def test_documents_of_one_sentence_take_b_from_the_other_one():
    pairs = pair(numbered([[3], [2]]))
    assert rows(pairs) == [([0, 1, 2], [3, 4], True), ([3, 4], [0, 1, 2], True)]


def test_two_sentences_are_a_and_b_or_twice_a():
    documents = numbered([[2, 1], [1]])
    found = {str(rows(pair(documents, seed, num_own=1))): None for seed in range(30)}
    assert set(found) == {
        str([([0, 1], [2], False)]),
        str([([0, 1], [3], True), ([2], [3], True)]),
    }


def test_a_chunk_ends_with_the_sentence_that_reaches_the_target():
    # Room for 6 tokens: the first chunk is 2 + 2 + 2, the second all that is left.
    documents = numbered([[2, 2, 2, 1], [6]])
    ends = {
        b[-1]
        for seed in range(40)
        for a, b, is_random in rows(pair(documents, seed, num_own=1, max_seq_length=9))
        if not is_random and a[0] == 0
    }
    assert ends == {5}


def test_b_is_as_long_as_is_wanted_or_one_sentence():
    # A takes 4 of 6 tokens: two are wanted, that is one sentence of the other one.
    documents = numbered([[4], [2, 2, 2]])
    found = {
        tuple(rows(pair(documents, seed, num_own=1, max_seq_length=9))[0][1])
        for seed in range(40)
    }
    assert found == {(4, 5), (6, 7), (8, 9)}
    # A takes more than there is room for: nothing is wanted, a sentence is taken.
    documents = numbered([[9], [1, 1]])
    for seed in range(10):
        [(a, b, _)] = rows(pair(documents, seed, num_own=1, max_seq_length=9))
        assert (len(a), len(b)) == (5, 1)


def test_without_another_document_b_comes_from_the_same():
    documents = numbered([[2, 3]])
    found = [row for seed in range(30) for row in rows(pair(documents, seed))]
    drawn = {tuple(b) for a, b, is_random in found if is_random and a == [0, 1]}
    assert drawn == {(0, 1, 2, 3, 4), (2, 3, 4)}


def first_lengths(**settings):
    """With one-token sentences, the length of an ordinary first pair is the target."""
    pairs = pair(numbered([[1] * 61, [1]]), num_own=1, **settings)
    first = pairs.take((pairs.a_starts == 0) & ~pairs.is_random_next)
    return first.b_ends


def test_short_targets_are_uniform():
    lengths = first_lengths(short_seq_prob=1.0, max_seq_length=8, dupe_factor=8000)
    counts = np.bincount(lengths)
    # Half of the 8000 are random, a quarter of the rest each: 1000, deviation 30.
    assert len(counts) == 6 and counts[:2].tolist() == [0, 0]
    assert np.all(np.abs(counts[2:] - 1000) < 150)


@pytest.mark.parametrize("prob", [0, 0.3, 1])
def test_the_share_of_short_targets(prob):
    lengths = first_lengths(short_seq_prob=prob, dupe_factor=20000)
    # 59 of the 60 targets from 2 to 61 are shorter than 61; deviation 0.005.
    assert abs((lengths < 61).mean() - prob * 59 / 60) < 0.02


@pytest.mark.parametrize("max_num_tokens", [2, 3, 7, 20])
def test_lengths_after_truncation(max_num_tokens):
    for a_length, b_length in itertools.product(range(1, 13), range(1, 13)):
        a, b = a_length, b_length
        while a + b > max_num_tokens:  # as the original, one token at a time
            a, b = (a - 1, b) if a > b else (a, b - 1)
        documents = numbered([[a_length], [b_length]])
        [(tokens_a, tokens_b, _)] = rows(
            pair(documents, num_own=1, max_seq_length=max_num_tokens + 3)
        )
        assert (len(tokens_a), len(tokens_b)) == (a, b), (a_length, b_length)


def test_truncation_takes_from_both_ends_by_chance():
    # A loses 4 of 8 tokens, B 2 of 6.
    pairs = pair(numbered([[8], [6]]), num_own=1, max_seq_length=11, dupe_factor=16000)
    assert np.all(pairs.a_ends - pairs.a_starts == 4)
    assert np.all(pairs.b_ends - pairs.b_starts == 4)
    counts = np.bincount(pairs.a_starts, minlength=5)
    assert np.all(np.abs(counts - np.array([1, 4, 6, 4, 1]) * 1000) < 250)
    counts = np.bincount(pairs.b_starts - 8, minlength=3)
    assert np.all(np.abs(counts - np.array([1, 2, 1]) * 4000) < 300)


def test_no_own_documents_are_no_pairs():
    pairs = pair(numbered([[3], [2]]), num_own=0)
    assert pairs.num_pairs == 0
    assert [field.dtype for field in pairs] == [np.int64] * 4 + [np.bool_]


def test_a_length_without_room_is_refused():
    with pytest.raises(InputError, match=r"--max_seq_length=4: must be at least 5"):
        pair(numbered([[3], [2]]), max_seq_length=4)


def test_shuffled_keeps_the_rows_together():
    pairs = Pairs(*(np.arange(100) + 1000 * i for i in range(4)), np.arange(100) < 50)
    mixed = pairs.shuffled(np.random.default_rng(0))
    assert mixed.num_pairs == 100
    assert sorted(zip(*mixed, strict=True)) == sorted(zip(*pairs, strict=True))
    assert mixed.a_starts.tolist() != pairs.a_starts.tolist()


def test_the_generator_decides():
    documents = numbered(random_lengths(np.random.default_rng(1), 20, 10, 20))
    first, again, other = (rows(pair(documents, seed)) for seed in (5, 5, 6))
    assert first == again != other


# --- what always holds -----------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_slices_of_documents(seed):
    rng = np.random.default_rng(seed)
    documents = numbered(random_lengths(rng, 40, 12, 40))
    num_own = 25
    pairs = pair(
        documents,
        seed,
        num_own=num_own,
        max_seq_length=int(rng.integers(5, 100)),
        short_seq_prob=0.3,
        dupe_factor=10,
    )
    borders = documents.sentence_starts[documents.document_starts]
    documents_of = [
        np.searchsorted(borders, field - is_end, "right") - 1
        for field, is_end in zip(pairs[:4], (0, 1, 0, 1), strict=True)
    ]
    a_first, a_last, b_first, b_last = documents_of
    assert np.array_equal(a_first, a_last) and np.array_equal(b_first, b_last)
    assert set(a_first.tolist()) == set(range(num_own))
    assert np.array_equal(a_first != b_first, pairs.is_random_next)
    assert set(b_first[pairs.is_random_next].tolist()) > set(range(num_own, 40))
    assert np.all(pairs.a_starts < pairs.a_ends)
    assert np.all(pairs.b_starts < pairs.b_ends)
    assert np.all(pairs.a_ends <= pairs.b_starts, where=~pairs.is_random_next)


def test_no_pair_is_too_long_and_some_are_full():
    documents = numbered(random_lengths(np.random.default_rng(3), 40, 12, 40))
    for max_seq_length in (5, 6, 17, 64):
        pairs = pair(documents, max_seq_length=max_seq_length, dupe_factor=3)
        lengths = pairs.a_ends - pairs.a_starts + pairs.b_ends - pairs.b_starts
        assert lengths.max() == max_seq_length - 3


def test_where_nothing_is_cut_off_every_sentence_is_used_once_a_pass():
    lengths = random_lengths(np.random.default_rng(4), 40, 20, 20)
    documents = numbered(lengths)
    # Two documents always fit; short targets cut them into several pairs.
    pairs = pair(documents, max_seq_length=1000, short_seq_prob=1.0, dupe_factor=3)
    is_next = ~pairs.is_random_next
    assert np.array_equal(pairs.a_ends[is_next], pairs.b_starts[is_next])
    assert pairs.num_pairs > 3 * 40 * 1.5
    uses = np.zeros(documents.num_tokens, int)
    for a, b, is_random in rows(pairs):
        uses[a] += 1
        uses[b] += not is_random
    assert set(uses.tolist()) == {3}
    starts = set(documents.sentence_starts.tolist())
    assert all(starts >= set(field.tolist()) for field in pairs[:4])


# --- the statistics of the original ----------------------------------------------

CORPUS = random_lengths(np.random.default_rng(11), 25, 14, 30)
LENGTH = 64


def pairs_of_the_original(documents, seed):
    """One pass of exact.py over a numbered corpus, its masks undone."""
    found = []
    text = TextConfig(max_seq_length=LENGTH)
    settings = PairConfig(random_seed=seed, dupe_factor=1, short_seq_prob=0.3)
    for instance in exact.make_instances(documents, VOCAB, text, settings):
        ids = instance.input_ids.copy()
        ids[instance.masked_lm_positions] = instance.masked_lm_ids
        a, b = ids[1 : instance.b_start - 1], ids[instance.b_start : -1]
        found.append((a[0], a[-1] + 1, b[0], b[-1] + 1, instance.is_random_next))
    return Pairs(*map(np.array, zip(*found, strict=True)))


def statistics(documents, pairs):
    """Counts of a pass; each should have the same mean for both programs."""
    a_lengths = pairs.a_ends - pairs.a_starts
    b_lengths = pairs.b_ends - pairs.b_starts
    is_random = pairs.is_random_next
    borders = documents.sentence_starts[documents.document_starts]
    places = {
        "random": is_random,
        "A begins a sentence": np.isin(pairs.a_starts, documents.sentence_starts),
        "A ends a sentence": np.isin(pairs.a_ends, documents.sentence_starts),
        "B begins a sentence": np.isin(pairs.b_starts, documents.sentence_starts),
        "B ends a sentence": np.isin(pairs.b_ends, documents.sentence_starts),
        "B begins a document": np.isin(pairs.b_starts, borders) & is_random,
        "A longer": a_lengths > b_lengths,
        "A longer, random": (a_lengths > b_lengths) & is_random,
    }
    counts = {name: is_there.sum() for name, is_there in places.items()}
    counts["pairs"] = pairs.num_pairs
    histograms = {
        "length of A": (a_lengths, LENGTH),
        "length of B": (b_lengths, LENGTH),
        "length, next": ((a_lengths + b_lengths)[~is_random], LENGTH),
        "length, random": ((a_lengths + b_lengths)[is_random], LENGTH),
        "document of A": (np.searchsorted(borders, pairs.a_starts, "right") * 2, 52),
        "document of random B": (
            np.searchsorted(borders, pairs.b_starts[is_random], "right") * 2,
            52,
        ),
        "place of A": (pairs.a_starts // 64, 104),
        "place of random B": (pairs.b_starts[is_random] // 64, 104),
    }
    for name, (values, size) in histograms.items():
        for i, count in enumerate(np.histogram(values, np.arange(0, size + 4, 4))[0]):
            counts[f"{name} in bin {i}"] = count
    return counts


def test_pairs_are_distributed_as_those_of_the_original():
    documents = numbered(CORPUS)
    theirs, ours = [], []
    for seed in range(400):
        theirs.append(statistics(documents, pairs_of_the_original(documents, seed)))
        pairs = pair(documents, seed, short_seq_prob=0.3, dupe_factor=4)
        four_passes = statistics(documents, pairs)
        ours.append({name: count / 4 for name, count in four_passes.items()})
    assert_same_means(theirs, ours)
