"""Documents as flat arrays of ids, and what masking has to know of a vocabulary."""

import itertools

import numpy as np
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.pretraining.data import documents
from biobert_tf.text.tokenization import FullTokenizer

VOCAB = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b", ""]


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in VOCAB), encoding="utf-8")
    return FullTokenizer(path)


def lists(tokenized):
    """The same documents as lists of sentences of ids."""
    cuts = tokenized.sentence_starts
    sentences = [tokenized.token_ids[a:b].tolist() for a, b in itertools.pairwise(cuts)]
    cuts = tokenized.document_starts
    return [sentences[a:b] for a, b in itertools.pairwise(cuts)]


def test_documents_by_hand(tokenizer):
    tokenized = documents.tokenize([["ab a", "b"], ["a"]], tokenizer)
    assert tokenized.token_ids.tolist() == [6, 8, 6, 7, 6]
    assert tokenized.sentence_starts.tolist() == [0, 3, 4, 5]
    assert tokenized.document_starts.tolist() == [0, 2, 3]
    assert [
        tokenized.num_documents,
        tokenized.num_sentences,
        tokenized.num_tokens,
    ] == [2, 3, 5]
    assert tokenized.token_ids.dtype == np.uint16
    assert tokenized.sentence_starts.dtype == tokenized.document_starts.dtype == "int64"


def test_what_has_no_pieces_is_left_out(tokenizer):
    texts = [["\x00", "a", " ", "x"], [], ["\x07"], ["b", ""]]
    assert lists(documents.tokenize(texts, tokenizer)) == [[[6], [2]], [[7]]]


def test_no_documents_at_all(tokenizer):
    tokenized = documents.tokenize([], tokenizer)
    assert (tokenized.num_documents, tokenized.num_tokens) == (0, 0)
    assert lists(tokenized) == []


def test_parts_are_concatenated(tokenizer):
    texts = [["a b", "b"], ["a"], ["ab", "a", "b"]]
    parts = [documents.tokenize(part, tokenizer) for part in (texts[:1], [], texts[1:])]
    whole = documents.TokenizedDocuments.concatenated(parts)
    assert lists(whole) == lists(documents.tokenize(texts, tokenizer))
    assert whole.token_ids.dtype == np.uint16


@pytest.mark.parametrize("chosen", [[2, 0], [1], [], [0, 0, 2, 1]])
def test_documents_are_taken_in_the_order_asked_for(tokenizer, chosen):
    texts = [["a b", "b"], ["a"], ["ab", "a", "b"]]
    whole = documents.tokenize(texts, tokenizer)
    taken = whole.take(np.array(chosen, np.int64))
    assert lists(taken) == [lists(whole)[i] for i in chosen]


def test_piece_table_by_hand(tokenizer):
    pieces = documents.PieceTable.of(tokenizer.vocab)
    assert (pieces.cls_id, pieces.sep_id, pieces.mask_id) == (3, 4, 5)
    assert pieces.replacement_ids.tolist() == [6, 7, 8]
    assert np.flatnonzero(pieces.is_continuation).tolist() == [8]
    assert len(pieces.is_continuation) == 10


def test_only_numbered_unused_tokens_are_never_drawn():
    vocab = {t: i for i, t in enumerate(["[CLS]", "[SEP]", "[MASK]", "unused1", "[x]"])}
    assert documents.PieceTable.of(vocab).replacement_ids.tolist() == [3, 4]


def test_a_number_sign_continues_nothing():
    vocab = {t: i for i, t in enumerate(["[CLS]", "[SEP]", "[MASK]", "#", "#a", "##a"])}
    assert documents.PieceTable.of(vocab).is_continuation.tolist() == [False] * 5 + [
        True
    ]


@pytest.mark.parametrize(
    "tokens, problem",
    [
        (["[CLS]", "[SEP]", "a"], r"lacks \[MASK\]"),
        (["[CLS]", "[SEP]", "[MASK]", "[unused0]"], "special tokens only"),
    ],
)
def test_vocabularies_that_cannot_be_masked_with(tokens, problem):
    with pytest.raises(InputError, match=problem):
        documents.PieceTable.of({token: i for i, token in enumerate(tokens)})


@pytest.mark.parametrize(
    ("last_id", "dtype"), [(2**16 - 1, np.uint16), (2**16, np.uint32)]
)
def test_ids_take_two_bytes_where_they_can(tmp_path, last_id, dtype):
    path = tmp_path / "vocab.txt"
    filler = "".join(f"w{i}\n" for i in range(3, last_id))
    path.write_text(f"[UNK]\n[CLS]\n[SEP]\n{filler}last\n", encoding="utf-8")
    tokenized = documents.tokenize([["last w3"]], FullTokenizer(path))
    assert tokenized.token_ids.tolist() == [last_id, 3]
    assert tokenized.token_ids.dtype == dtype
