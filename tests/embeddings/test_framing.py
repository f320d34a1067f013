# SPDX-License-Identifier: Apache-2.0
"""Texts into rows; fifteen pieces, written down by hand."""

import random

import ner_toys
import numpy as np
import pytest

from biobert_tf.embeddings.framing import Framer, truncated_lengths, word_spans
from biobert_tf.embeddings.reading import Part, Text, parse
from biobert_tf.text.tokenization import FullTokenizer


@pytest.fixture
def framer(tmp_path):
    """Makes a framer of rows of some length."""
    tokenizer = FullTokenizer(ner_toys.write_vocab(tmp_path / "vocab.txt"))
    return lambda length: Framer(tokenizer, length)


def shown(row):
    """A row as text: its pieces, `|` before those of segment 1, `*` at the wanted."""
    pieces = []
    for id_, segment, is_wanted in zip(
        row.input_ids, row.segment_ids, row.is_wanted, strict=True
    ):
        piece = ner_toys.VOCAB[id_]
        pieces.append("|" * segment + piece + "*" * int(is_wanted))
    return " ".join(pieces)


def covered(frame, line):
    return [line[a:b] for a, b in zip(frame.starts, frame.ends, strict=True)]


# --- as the original ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "length", "row", "num_lost"),
    [
        ("", 8, "[CLS] [SEP]", 0),
        ("Liver aspirins .", 8, "[CLS] Liver aspirin ##s . [SEP]", 0),
        ("Liver aspirins .", 6, "[CLS] Liver aspirin ##s . [SEP]", 0),
        ("Liver aspirins .", 5, "[CLS] Liver aspirin ##s [SEP]", 1),
        ("Liver ||| cancer .", 8, "[CLS] Liver [SEP] |cancer |. |[SEP]", 0),
        # The longer one loses; in a tie the second.
        ("Liver ||| cancer . .", 6, "[CLS] Liver [SEP] |cancer |. |[SEP]", 1),
        ("Liver . . ||| cancer .", 6, "[CLS] Liver . [SEP] |cancer |[SEP]", 2),
        ("Liver . ||| cancer .", 6, "[CLS] Liver . [SEP] |cancer |[SEP]", 1),
        ("Liver ||| cancer", 4, "[CLS] Liver [SEP]", 1),
        ("Liver ||| cancer", 3, "[CLS] [SEP]", 2),
        # A second text of control characters has no pieces; a first one has its [SEP].
        ("Liver aspirins ||| \u200b", 5, "[CLS] Liver aspirin ##s [SEP]", 0),
        ("\u200b ||| Liver", 8, "[CLS] [SEP] |Liver |[SEP]", 0),
    ],
)
def test_truncated(framer, line, length, row, num_lost):
    frame = framer(length).truncated(parse(line))
    [made] = frame.rows
    assert shown(made).replace("*", "") == row
    assert made.is_wanted.all()
    assert list(frame.tokens) == row.replace("|", "").split()
    assert frame.num_lost == num_lost


def test_positions_of_pieces(framer):
    line = "  Liver aspirins ||| cancer"
    frame = framer(12).truncated(parse(line))
    found = zip(frame.tokens, covered(frame, line), strict=True)
    assert [*found] == [
        ("[CLS]", ""),
        ("Liver", "Liver"),
        ("aspirin", "aspirin"),
        ("##s", "s"),
        ("[SEP]", ""),
        ("cancer", "cancer"),
        ("[SEP]", ""),
    ]


def pop_one_by_one(num_first, num_second, room):
    while num_first + num_second > room:
        if num_first > num_second:
            num_first -= 1
        else:
            num_second -= 1
    return num_first, num_second


def test_lengths_of_pairs():
    for case in np.ndindex(9, 9, 12):
        assert truncated_lengths(*case) == pop_one_by_one(*case)


# --- in windows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "length", "rows"),
    [
        ("", 8, ["[CLS] [SEP]"]),
        ("Liver aspirins", 5, ["[CLS] Liver* aspirin* ##s* [SEP]"]),
        (
            "Liver ||| cancer .",
            6,
            ["[CLS] Liver* [SEP] |cancer* |.* |[SEP]"],
        ),
        ("\u200b ||| Liver", 8, ["[CLS] Liver* [SEP]"]),
        # Four fit, windows overlap by half.
        (
            "Liver cancer severe helps with .",
            6,
            [
                "[CLS] Liver* cancer* severe* helps [SEP]",
                "[CLS] severe helps* with* .* [SEP]",
            ],
        ),
        # A pair: where a window shows one text only, the row is of that text.
        (
            "Liver cancer ||| severe helps with .",
            7,
            [
                "[CLS] Liver* cancer* [SEP] |severe* |helps |[SEP]",
                "[CLS] severe helps* with* .* [SEP]",
            ],
        ),
        # Twelve fit: the word of three pieces would be torn, and is left out.
        (
            "Liver cancer severe helps with . aspirin Liver cancer . nephritiss severe",
            14,
            [
                "[CLS] Liver* cancer* severe* helps* with* .* aspirin* Liver* cancer . "
                "[SEP]",
                "[CLS] aspirin Liver cancer* .* nephr* ##itis* ##s* severe* [SEP]",
            ],
        ),
        # No room for a pair.
        ("Liver ||| cancer", 3, ["[CLS] Liver* [SEP]", "[CLS] cancer* [SEP]"]),
        # A word of more than a quarter of the room may be cut.
        (
            "nephritis.nephritis",
            6,
            [
                "[CLS] nephr* ##itis* .* nephr [SEP]",
                "[CLS] . nephr* ##itis* [SEP]",
            ],
        ),
    ],
)
def test_windowed(framer, line, length, rows):
    frame = framer(length).windowed(parse(line))
    assert [shown(row) for row in frame.rows] == rows
    assert frame.num_lost == 0
    wanted = [p.strip("|*") for row in rows for p in row.split() if p.endswith("*")]
    assert list(frame.tokens) == wanted
    assert "".join(covered(frame, line)) == "".join(
        part.text for part in parse(line).parts
    ).replace(" ", "").replace("\u200b", "")


@pytest.mark.parametrize("seed", range(3))
def test_every_piece_is_wanted_once(framer, seed):
    rng = random.Random(seed)
    vocabulary = ["Liver", "cancer", "nephritis", "nephritiss", ".", "\u200b"]
    for _ in range(100):
        length = rng.randint(3, 16)
        made = framer(length)
        words = [
            "".join(rng.choices(vocabulary, k=rng.choice([1, 1, 1, 4])))
            for _ in range(rng.randint(0, 25))
        ]
        cut = rng.randint(0, len(words))
        texts = [" ".join(words)], [" ".join(words[:cut]), " ".join(words[cut:])]
        for text in texts:
            frame = made.windowed(Text.of(*text))
            wanted = [
                ner_toys.VOCAB[id_]
                for row in frame.rows
                for id_ in row.input_ids[row.is_wanted]
            ]
            pieces = [p for part in text for p in made.tokenizer.tokenize(part)]
            assert wanted == list(frame.tokens) == pieces
            for row in frame.rows:
                assert 2 <= len(row.input_ids) <= length


def test_one_row_where_all_fits_has_what_the_original_shows(framer):
    for line in ("Liver aspirins .", "Liver ||| cancer .", ""):
        made = framer(8)
        [cut] = made.truncated(parse(line)).rows
        [whole] = made.windowed(parse(line)).rows
        np.testing.assert_array_equal(cut.input_ids, whole.input_ids)
        np.testing.assert_array_equal(cut.segment_ids, whole.segment_ids)


def test_word_spans():
    part = Part("a  bc\u3000d\x0be", 10)
    assert word_spans(part) == [(10, 11), (13, 15), (16, 17), (18, 19)]
