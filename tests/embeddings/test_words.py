# SPDX-License-Identifier: Apache-2.0
import ner_toys
import numpy as np
import pytest

from biobert_tf.embeddings.framing import Framer
from biobert_tf.embeddings.reading import parse
from biobert_tf.embeddings.tables import pool_words
from biobert_tf.text.tokenization import FullTokenizer


@pytest.fixture
def pool(tmp_path):
    """Pools the words of a line; the vector of piece i is `[[i + 1, 10]]`."""
    tokenizer = FullTokenizer(ner_toys.write_vocab(tmp_path / "vocab.txt"))

    def pool(line, pooling="mean"):
        frame = Framer(tokenizer, 64).windowed(parse(line))
        numbers = np.arange(1, len(frame.tokens) + 1, dtype=np.float32)
        vectors = np.stack([numbers, 0 * numbers + 10], axis=1)[:, None]
        found = pool_words(frame, vectors, pooling)
        words, numbers = found["words"].tolist(), found["num_pieces"]
        starts, ends = found["starts"], found["ends"]
        for word, start, end in zip(words, starts, ends, strict=True):
            assert line[start:end] == word
        pooled = found["vectors"]
        assert pooled.dtype == np.float32
        assert pooled.shape == (len(words), 1, 2)
        assert pooled[:, 0, 1].tolist() == (10 * (numbers > 0)).tolist()
        by_word = pooled[:, 0, 0].tolist()
        return [*zip(words, numbers.tolist(), by_word, strict=True)]

    return pool


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        (
            "  nephritiss. helps",
            [("nephritiss.", 4, 2.5), ("helps", 1, 5.0)],
        ),
        # A word without a piece.
        (
            "Liver \u200b helps",
            [("Liver", 1, 1.0), ("\u200b", 0, 0.0), ("helps", 1, 2)],
        ),
        ("\u200b", [("\u200b", 0, 0.0)]),
        (
            "nephritis ||| helps with",
            [("nephritis", 2, 1.5), ("helps", 1, 3.0), ("with", 1, 4.0)],
        ),
        ("\u200b ||| helps", [("\u200b", 0, 0.0), ("helps", 1, 1.0)]),
        # What the tokenizer drops between two words: both share the piece.
        ("Li\x0bver helps", [("Li", 1, 1.0), ("ver", 1, 1.0), ("helps", 1, 2.0)]),
        # The tokenizer sets Chinese characters apart; white space does not.
        ("Liver\u4e00helps", [("Liver\u4e00helps", 3, 2.0)]),
    ],
)
def test_mean(pool, line, expected):
    assert pool(line) == expected


def test_first(pool):
    assert pool("nephritiss. \u200b helps", "first") == [
        ("nephritiss.", 4, 1.0),
        ("\u200b", 0, 0.0),
        ("helps", 1, 5.0),
    ]
