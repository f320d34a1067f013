import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import spool, units
from biobert_tf.pretraining.data.documents import tokenize
from biobert_tf.text.tokenization import FullTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "##b"]
KEYS_PER_QUARTER = spool.NUM_KEYS // 4
EVERYTHING = (0, spool.NUM_KEYS)


@pytest.fixture
def tokenizer(tmp_path):
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join(WORDS) + "\n")
    return FullTokenizer(vocab_file)


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


def texts(documents):
    """The documents as lists of sentences, in words."""
    found = []
    for first, last in itertools.pairwise(documents.document_starts):
        starts = documents.sentence_starts[first : last + 1]
        found.append(
            [
                " ".join(WORDS[i] for i in documents.token_ids[a:b])
                for a, b in itertools.pairwise(starts)
            ]
        )
    return found


def write(directory, tokenizer, documents, tokens_per_part):
    tokenized = (
        (key, tokenize([sentences], tokenizer)) for key, sentences in documents
    )
    spool.write(directory, tokenized, tokens_per_part)


FIVE = [
    (3 * KEYS_PER_QUARTER, ["d"]),
    (5, ["a b", "c"]),
    (KEYS_PER_QUARTER - 1, ["ab"]),
    (KEYS_PER_QUARTER, ["b", "b b", "b b b"]),
    (spool.NUM_KEYS - 1, ["a x d"]),
]
IN_ORDER = [["a b", "c"], ["a ##b"], ["b", "b b", "b b b"], ["d"], ["a [UNK] d"]]


@pytest.mark.parametrize(("tokens_per_part", "num_parts"), [(1, 5), (4, 3), (99, 1)])
def test_documents_come_in_order_of_their_keys(
    directory, tokenizer, tokens_per_part, num_parts
):
    write(directory, tokenizer, FIVE, tokens_per_part)
    parts = spool.find_parts(directory)
    assert len(parts) == num_parts
    (everything,) = spool.read(parts, [EVERYTHING])
    assert texts(everything) == IN_ORDER
    assert everything.token_ids.dtype == np.uint16


def test_ranges_are_half_open(directory, tokenizer):
    write(directory, tokenizer, FIVE, 4)
    quarters = [(q * KEYS_PER_QUARTER, (q + 1) * KEYS_PER_QUARTER) for q in range(4)]
    found = spool.read(spool.find_parts(directory), [*quarters, (0, 0), EVERYTHING])
    assert [texts(documents) for documents in found] == [
        IN_ORDER[:2],
        IN_ORDER[2:3],
        [],
        IN_ORDER[3:],
        [],
        IN_ORDER,
    ]


def test_counts_leave_out_what_has_no_pieces(tmp_path, directory, tokenizer):
    path = tmp_path / "x.txt"
    path.write_text("a\n\x07\nb c\n\n\x07\n\nd\n")
    unit = units.Unit(0, 0, str(path), None, path.stat().st_size)
    text = TextConfig(vocab_file=tmp_path / "vocab.txt", do_lower_case=True)
    result = units.UnitResult()
    documents = units.documents(unit, path, text, CorpusConfig(), 1, result)
    spool.write(directory, documents)
    counts = result.counts
    assert (counts.num_documents, counts.num_sentences, counts.num_tokens) == (2, 3, 4)
    (everything,) = spool.read(spool.find_parts(directory), [EVERYTHING])
    assert sorted(texts(everything)) == [["a", "b c"], ["d"]]


def test_equal_keys_keep_their_order_over_parts(directory, tokenizer):
    write(directory, tokenizer, [(7, ["b"]), (7, ["a"]), (7, ["d"]), (7, ["c"])], 2)
    (everything,) = spool.read(spool.find_parts(directory), [EVERYTHING])
    assert texts(everything) == [["b"], ["a"], ["d"], ["c"]]


def test_nothing_to_write_writes_nothing(directory, tokenizer):
    write(directory, tokenizer, [], 1)
    assert spool.find_parts(directory) == []


def test_keys_depend_on_seed_file_and_document():
    keys = [
        spool.key_of(seed, file_number, name)
        for seed in (1, 2)
        for file_number in (0, 1)
        for name in ("a", "b", "\udc80")
    ]
    assert len(set(keys)) == 12
    assert all(0 <= key < spool.NUM_KEYS for key in keys)
    assert spool.key_of(1, 0, "a") == keys[0]


def test_keys_are_spread_evenly():
    keys = np.array([spool.key_of(1, 0, f"x:{i}") for i in range(4000)])
    counts = np.bincount(keys // KEYS_PER_QUARTER, minlength=4)
    # Six standard deviations of a binomial count.
    assert np.all(np.abs(counts - 1000) < 6 * np.sqrt(4000 * 0.25 * 0.75))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc")
def test_parts_are_not_open_all_at_once(directory, tokenizer, monkeypatch):
    """A corpus of gigabytes has more parts than files can be open."""
    write(directory, tokenizer, FIVE * 8, tokens_per_part=1)
    parts, load, held = spool.find_parts(directory), np.load, []

    def counted(*arguments, **options):
        held.append(len(os.listdir("/proc/self/fd")))
        return load(*arguments, **options)

    monkeypatch.setattr(spool.np, "load", counted)
    quarter = (0, KEYS_PER_QUARTER)
    some, everything = spool.read(parts, [quarter, EVERYTHING])
    assert len(parts) == 40
    assert some.num_documents == 16 and everything.num_documents == 40
    assert max(held) - min(held) <= 4
    # Nor is what was read.
    assert len(os.listdir("/proc/self/fd")) == min(held)
