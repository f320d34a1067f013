# SPDX-License-Identifier: Apache-2.0
"""Text files in the original format: documents, blocks of documents, bad lines."""

import gzip
import itertools
import random

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.corpora import plain, reading
from biobert_tf.corpora.document import Document, normalize
from biobert_tf.corpora.settings import CorpusConfig


def write(tmp_path, data, name="a.txt"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def read(path, block=None, **config):
    skipped = []
    options = reading.ReadOptions(CorpusConfig(**config))
    documents = reading.documents(path, options, skipped.append, block=block)
    return list(documents), skipped


def sentences(path, block=None, **config):
    return [document.paragraphs for document in read(path, block, **config)[0]]


def test_documents_and_their_lines(tmp_path):
    path = write(tmp_path, "\n\nOne.\nTwo.\n \t\n\nThree.\n\n")
    assert read(path) == (
        [
            Document(f"{path}:3", ("One.", "Two."), True),
            Document(f"{path}:7", ("Three.",), True),
        ],
        [],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n \n", []),
        ("One.", [("One.",)]),  # no newline, one line: nothing to ask about
        ("One.\r\n\r\nTwo.\r\n", [("One.",), ("Two.",)]),
        ("\ufeffOne.\n\nTwo.", [("One.",), ("Two.",)]),
        ("One.\n\u3000\u00a0\nTwo.", [("One.",), ("Two.",)]),  # str.strip blanks it
        ("One.\n\u200b\nTwo.\n\nX", [("One.", "Two."), ("X",)]),  # not a border
        ("a  b\tc \u2028d\n\nX", [("a b c d",), ("X",)]),
        ("One.\x0bTwo.\rThree.\n\nX", [("One. Two. Three.",), ("X",)]),
    ],
)
def test_lines(tmp_path, text, expected):
    assert sentences(write(tmp_path, text)) == expected


def test_normalize():
    assert normalize(" a\u00a0\n b ") == "a b"
    assert normalize("e\u0301\u00ad") == "é"
    assert normalize("a\u200bb ² ﬁ ½") == "ab ² ﬁ ½"
    assert normalize("\u200b \ufeff") == ""


@pytest.mark.parametrize(
    "text", ["One.\nTwo.\n", "\n\nOne.\nTwo.", "One.\nTwo.\n\u200b"]
)
def test_one_document_is_refused_unless_allowed(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=r"2 lines and no blank line.*--allow_single"):
        read(path)
    assert sentences(path, allow_single_document=True) == [("One.", "Two.")]


def test_one_document_that_a_blank_line_ends(tmp_path):
    assert sentences(write(tmp_path, "One.\nTwo.\n\n")) == [("One.", "Two.")]


def test_one_endless_document_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "_MOST_BYTES_WITHOUT_BLANK", 100)
    path = write(tmp_path, "A sentence.\n" * 50 + "\nTwo.")
    with pytest.raises(InputError, match="8 lines and no blank line"):
        read(path)
    assert len(sentences(path, allow_single_document=True)[0]) == 50


def test_lines_that_are_no_text(tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "_MOST_LINE_BYTES", 20)
    path = write(tmp_path, b"One.\nT\xe9o.\n" + b"x" * 100 + b"\nTwo.\n\nThree.")
    documents, skipped = read(path)
    assert [d.paragraphs for d in documents] == [("One.", "Two."), ("Three.",)]
    assert skipped == [
        (
            str(path),
            "line 2",
            "byte 0xe9 is not UTF-8; convert the file to UTF-8",
            True,
        ),
        (str(path), "line 3", "longer than 20 bytes: not a sentence", True),
    ]


def test_compressed(tmp_path):
    data = "One.\n\nTwo.\nThree.\n" * 5000
    whole = write(tmp_path, data)
    packed = write(tmp_path, gzip.compress(data.encode()), "a.txt.gz")
    assert sentences(packed) == sentences(whole)


def test_a_truncated_compressed_file(tmp_path):
    lines = "".join(f"Sentence {n * 7919}.\n\n" for n in range(20_000))
    data = gzip.compress(lines.encode())
    path = write(tmp_path, data[: len(data) // 2], "a.txt.gz")
    documents, (only,) = read(path)
    assert 5_000 < len(documents) < 15_000
    assert only.position.startswith("after line ")
    assert only.reason == "compressed data is truncated"


def corpus(seed, num_documents=30):
    rng = random.Random(seed)
    text = ""
    for _ in range(num_documents):
        text += "".join(
            f"S {rng.random()} é\n" for _ in range(rng.randrange(1, 6))
        ) + rng.choice(["\n", "\n\n", " \n", "\r\n", "\u3000\n"])
    return text[: -rng.randrange(1, 8)]


@pytest.mark.parametrize("block_bytes", [1, 7, 50, 200, 1000, 10**6])
@pytest.mark.parametrize("seed", [1, 2])
def test_blocks_hold_every_document_once(tmp_path, block_bytes, seed):
    path = write(tmp_path, corpus(seed))
    blocks = plain.blocks(path, block_bytes)
    assert blocks[0][0] == 0
    assert blocks[-1][1] == path.stat().st_size
    assert all(left[1] == right[0] for left, right in itertools.pairwise(blocks))
    assert all(end - start > min(block_bytes, 9) - 9 for start, end in blocks)
    pieces = [sentences(path, block) for block in blocks]
    assert list(itertools.chain(*pieces)) == sentences(path)
    if block_bytes < 1000:
        assert len(blocks) > 5


def test_blocks_of_an_empty_file(tmp_path):
    assert plain.blocks(write(tmp_path, ""), 10) == []


def test_a_block_names_bytes(tmp_path):
    path = write(tmp_path, b"One.\n\nTwo.\n\xff\nThree.\n\n")
    documents, (only,) = read(path, (6, 21))
    assert [d.id for d in documents] == [f"{path}:byte 6"]
    assert only.position == "byte 11"


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.txt")
