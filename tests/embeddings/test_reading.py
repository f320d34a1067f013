# SPDX-License-Identifier: Apache-2.0
import gzip

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings.reading import Part, Text, parse, read_texts


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("a b", [("a b", 0)]),
        ("", [("", 0)]),
        (" \t ", [("", 0)]),
        ("  a b\t", [("a b", 2)]),
        ("a ||| b c", [("a", 0), ("b c", 6)]),
        (" a  |||  b ", [("a ", 1), (" b", 8)]),
        ("a ||| b ||| c", [("a ||| b", 0), ("c", 12)]),
        # The white space of a separator at the end is stripped before it is looked for.
        ("a ||| ", [("a |||", 0)]),
        (" ||| b", [("||| b", 1)]),
        ("a|||b", [("a|||b", 0)]),
        ("\u3000a ||| b\u2028", [("a", 1), ("b", 7)]),
    ],
)
def test_parse(line, parts):
    text = parse(line)
    assert list(text.parts) == [Part(*part) for part in parts]
    for part in text.parts:
        assert line[part.start :].startswith(part.text)


def test_texts_of_a_program():
    assert Text.of("a b") == parse("a b")
    assert Text.of("a b", "c") == parse("a b ||| c")


def test_read_texts(tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(
        "\ufeffé\r\n\nb\u2028\x0bc ||| d\nx\ry\nlast".encode(),
    )
    assert list(read_texts(path)) == [
        Text(Part("é", 0)),
        Text(Part("", 0)),
        Text(Part("b\u2028\x0bc", 0), Part("d", 9)),
        Text(Part("xy", 0)),
        Text(Part("last", 0)),
    ]
    packed = tmp_path / "in.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_texts(packed)) == list(read_texts(path))


def test_lines_are_read_as_they_are_needed(tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(b"a\nb\n\xff\n")
    texts = read_texts(path)
    assert [next(texts), next(texts)] == [Text.of("a"), Text.of("b")]
    with pytest.raises(InputError) as caught:
        next(texts)
    assert str(caught.value) == (
        f"{path}:3: byte 0xff is not UTF-8; convert the file to UTF-8"
    )


def test_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "in.txt"
    with pytest.raises(InputError, match=f"^{path}: no such file$"):
        next(read_texts(path))
    path.write_bytes(b"")
    with pytest.raises(InputError, match=f"^{path}: is empty; want one text per line$"):
        next(read_texts(path))
    with pytest.raises(InputError, match=f"^{tmp_path}: cannot be read: "):
        next(read_texts(tmp_path))


def test_the_bytes_of_texts_are_those_of_the_file(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("é\n\nb ||| d\nlast\n", encoding="utf-8")
    sizes = [text.num_bytes for text in read_texts(path)]
    assert sizes == [3, 1, 8, 5]
    assert sum(sizes) == path.stat().st_size
