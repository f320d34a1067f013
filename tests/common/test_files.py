# SPDX-License-Identifier: Apache-2.0
import json
import os
import stat

import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError


def test_read_text_makes_every_line_end_the_same(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\nb\rc\n\r\n\xce\xb2")
    assert files.read_text(path) == "a\nb\nc\n\n\u03b2"


def test_read_text_drops_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfa\xef\xbb\xbf\n")
    assert files.read_text(path) == "a\ufeff\n"


def test_read_verbatim_keeps_every_line_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n\n")
    assert files.read_verbatim(path) == "a\r\nb\rc\n\n"


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_read_text_names_the_line_of_a_bad_byte(tmp_path, start):
    path = tmp_path / "a.txt"
    path.write_bytes(start + b"good\ngood\nSj\xf6gren\n")
    with pytest.raises(InputError) as caught:
        files.read_text(path)
    assert str(caught.value).startswith(f"{path}:3: byte 0xf6 is not UTF-8")


def test_read_text_of_nothing(tmp_path):
    path = tmp_path / "absent.txt"
    with pytest.raises(InputError) as caught:
        files.read_text(path)
    assert str(caught.value) == f"{path}: no such file"
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        files.read_text(tmp_path)


def test_read_json(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, null]}')
    assert files.read_json(path) == {"a": [1, None]}


@pytest.mark.parametrize(
    "text, message",
    [
        ('{\n"a": 1\n"b": 2}', ":3: not JSON: "),
        ("", ":1: not JSON: "),
        ("[1]", ":1: expected a JSON object"),
    ],
)
def test_read_json_names_the_line(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        files.read_json(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_write_text_makes_directories_and_keeps_line_ends(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    files.write_text(path, "\u03b2\r\n\n")
    assert path.read_bytes() == b"\xce\xb2\r\n\n"
    assert list(path.parent.iterdir()) == [path]


def test_write_json_is_readable_text(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"b": ["\u03b2"], "a": 1})
    assert path.read_text("utf-8") == '{\n "b": [\n  "\u03b2"\n ],\n "a": 1\n}\n'


def test_a_written_file_has_the_usual_permissions(tmp_path):
    path = tmp_path / "a.txt"
    before = os.umask(0o027)
    try:
        files.write_text(path, "")
        assert os.umask(0o027) == 0o027  # left as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failing_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_stands_at_the_path_before_the_end(tmp_path):
    path = tmp_path / "a.txt"
    with files.replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent.parent == path.parent  # a rename, not a copy
    assert path.read_text() == "whole"


def test_unwritable(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "below" / "a.txt"
    with pytest.raises(InputError) as caught:
        files.write_text(path, "")
    assert str(caught.value).startswith(f"{path}: cannot be written: ")


def test_a_directory_where_a_file_is_to_be(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: cannot be written: Is a directory"):
        files.write_text(tmp_path / "folder", "")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_a_folder_appears_whole_and_replaces_nothing(tmp_path):
    path = tmp_path / "folder"

    def write():
        with files.replacing(path) as temporary:
            temporary.mkdir()
            (temporary / "a.txt").write_text("whole")
            assert not (path / "a.txt").exists()

    path.mkdir()
    write()
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXU == stat.S_IRWXU
    assert (path / "a.txt").read_text() == "whole"
    (path / "a.txt").unlink()
    (path / "mine.txt").write_text("")
    with pytest.raises(InputError, match="folder: cannot be written: Directory not"):
        write()
    assert [*tmp_path.rglob("*")] == [path, path / "mine.txt"]


def test_json_objects_are_written_member_by_member(tmp_path):
    path = tmp_path / "new" / "a.json"
    with files.json_object(path) as add:
        add("\u03b2", [1])
        add('"', {"a": {}})
        assert not path.exists()
    values = {"\u03b2": [1], '"': {"a": {}}}
    assert path.read_text("ascii") == json.dumps(values, indent=4) + "\n"
    with files.json_object(path):
        pass
    assert path.read_text("ascii") == "{}\n"
    with pytest.raises(TypeError), files.json_object(path) as add:
        add("a", object())
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    assert path.read_text("ascii") == "{}\n"
