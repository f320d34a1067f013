# SPDX-License-Identifier: Apache-2.0
"""Texts to vectors; what the encoder says of every row alone is the measure."""

import re
from pathlib import Path

import feature_toys as toys
import numpy as np
import pytest

from biobert_tf.common.settings import DeviceConfig, ModelConfig, TextConfig
from biobert_tf.embeddings import extraction
from biobert_tf.embeddings.reading import Text, parse
from biobert_tf.embeddings.settings import Layers, VectorConfig

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TEXTS = [parse(line) for line in toys.LINES]
# What the model is given for each of these: eight pieces at most, and which of the
# positions count, by hand.
ROWS = [
    [("[CLS] Liver cancer nephr ##itis . [SEP]", 9, [1, 2, 3, 4, 5])],
    [
        ("[CLS] severe aspirin helps with severe nephr [SEP]", 9, [1, 2, 3, 4, 5]),
        ("[CLS] with severe nephr ##itis . cancer [SEP]", 9, [3, 4, 5, 6]),
    ],
    [("[CLS] [SEP]", 9, [])],
    [("[CLS] aspirin helps [SEP] severe cancer [SEP]", 4, [1, 2, 4, 5])],
    [("[CLS] Liver cancer [SEP]", 9, [1, 2])],
    [
        ("[CLS] Liver cancer . helps [SEP] severe [SEP]", 6, [1, 2, 3, 4]),
        ("[CLS] . helps [SEP] severe nephr ##itis [SEP]", 4, [4, 5]),
        ("[CLS] severe nephr ##itis with aspirin [SEP]", 9, [3, 4, 5]),
    ],
    [
        ("[CLS] nephr ##itis . nephr ##itis . [SEP]", 9, [1, 2, 3, 4, 5]),
        ("[CLS] nephr ##itis . nephr ##itis . [SEP]", 9, [3, 4, 5]),
        ("[CLS] nephr ##itis . helps [SEP]", 9, [3, 4]),
    ],
]


@pytest.fixture(scope="module")
def extractor(tmp_path_factory):
    return extraction.load(
        TextConfig(max_seq_length=toys.MAX_SEQ_LENGTH),
        ModelConfig(init_checkpoint=toys.write_model(tmp_path_factory.mktemp("model"))),
        DeviceConfig(strategy="cpu"),
        batch_size=4,
    )


@pytest.fixture(scope="module")
def alone(extractor):
    """For every text and row, layers 1 and 0 and the positions that count."""
    encoder = extractor.network.encoder
    return [
        [
            (layers[:, [1, 0]], row[2])
            for layers, row in zip(toys.say(encoder, *rows), rows, strict=True)
        ]
        for rows in ROWS
    ]


def test_the_program_of_the_page_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "features.md").read_text("utf-8")
    [program] = re.findall(r"^```\n(from pathlib .*?)^```", page, re.M | re.S)
    (tmp_path / "runs" / "ncbi").mkdir(parents=True)
    toys.write_model(tmp_path / "runs" / "ncbi")
    monkeypatch.chdir(tmp_path)
    kept = []
    names = {"sentences": ["Liver cancer", "aspirin"], "kept": kept}
    program = program.replace("...", "kept.append(vectors.shape)")
    # The toy has few positions.
    exec(program.replace("TextConfig()", "TextConfig(max_seq_length=8)"), names)
    assert kept == [(1, 8), (1, 8)]


def wanted(**given):
    return VectorConfig(**{"layers": Layers.parse("-1,0"), **given})


def pieces_of(rows):
    return np.concatenate([layers[list(counted)] for layers, counted in rows])


EXPECTED = {
    "none": pieces_of,
    "cls": lambda rows: np.mean([layers[0] for layers, _ in rows], axis=0),
    "mean": lambda rows: pieces_of(rows).mean(axis=0),
    "max": lambda rows: pieces_of(rows).max(axis=0),
}


@pytest.mark.parametrize("pooling", EXPECTED)
def test_every_text(extractor, alone, pooling):
    found = [*extractor.embed(TEXTS, wanted(pooling=pooling))]
    assert [one.frame.text for one in found] == TEXTS
    for one, rows in zip(found, alone, strict=True):
        assert one.vectors.dtype == np.float32
        if pooling in ("mean", "max") and not one.frame.tokens:
            np.testing.assert_array_equal(one.vectors, np.zeros((2, 8)))
        else:
            np.testing.assert_allclose(one.vectors, EXPECTED[pooling](rows), **CLOSE)


def test_the_original_has_one_row_of_all_positions(extractor):
    framer = extractor.framer
    found = [*extractor.extract(map(framer.truncated, TEXTS), wanted())]
    row = ("[CLS] Liver cancer . [SEP] severe nephr [SEP]", 5)
    [layers] = toys.say(extractor.network.encoder, row)
    np.testing.assert_allclose(found[5].vectors, layers[:, [1, 0]], **CLOSE)
    assert found[2].vectors.shape == (2, 2, 8)


@pytest.mark.parametrize("pooling", ["none", "mean"])
@pytest.mark.parametrize("limit", ["rows", "bytes"])
def test_memory_is_bounded_and_order_kept(extractor, monkeypatch, pooling, limit):
    expected = [*extractor.embed(TEXTS * 3, wanted(pooling=pooling))]
    if limit == "rows":
        monkeypatch.setattr(extraction, "_MAX_HELD_ROWS", 3)
    else:
        # Of a text of several pieces, or of three rows.
        monkeypatch.setattr(extraction, "_MAX_HELD_BYTES", 3 * 2 * 8 * 4)
    read = []

    def texts():
        for text in TEXTS * 3:
            read.append(text)
            yield text

    most_waiting = 0
    found = extractor.embed(texts(), wanted(pooling=pooling))
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        most_waiting = max(most_waiting, len(read) - number)
        assert one.frame.text == other.frame.text
        np.testing.assert_allclose(one.vectors, other.vectors, **CLOSE)
    # Three whose vectors are given, and three that are read in the meantime.
    assert 1 <= most_waiting <= 6


def test_batches_are_of_like_length(extractor, monkeypatch):
    seen = []
    vectors = extractor.network.vectors
    monkeypatch.setattr(
        extractor.network,
        "vectors",
        lambda rows, wanted: (
            seen.append([len(row.input_ids) for row in rows]) or vectors(rows, wanted)
        ),
    )
    texts = [Text.of("cancer " * n) for n in (1, 6, 2, 5, 3, 4, 1, 0, 6)]
    found = [*extractor.embed(texts, wanted(pooling="mean"))]
    assert seen == [[8, 8, 7, 6], [5, 4, 3, 3], [2]]
    assert [len(one.frame.tokens) for one in found] == [1, 6, 2, 5, 3, 4, 1, 0, 6]


def test_no_text(extractor):
    assert [*extractor.embed([], wanted())] == []
