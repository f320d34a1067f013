# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import tensorflow as tf

from biobert_tf.common.comma_lists import CommaList, FileGlobs
from biobert_tf.common.errors import InputError


def test_parts():
    found = CommaList.parse(" a b,, c,")
    assert found.parts == ("a b", "", "c", "")
    assert found.named == ("a b", "c")
    assert str(found) == " a b,, c,"
    assert found


def test_nothing():
    assert CommaList.parse("") == CommaList()
    assert not CommaList()
    assert CommaList().named == ()


def test_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b2.xml", "b1.xml", "a.txt", "c[1].txt"):
        (tmp_path / name).touch()
    (tmp_path / "sub.xml").mkdir()
    (tmp_path / "sub.xml/d.xml").touch()

    def names(patterns):
        return [str(path) for path in FileGlobs.parse(patterns).files()]

    assert names("b*.xml, a.txt") == ["b1.xml", "b2.xml", "a.txt"]
    assert names("b2.xml,b*.xml,b2.xml") == ["b2.xml", "b1.xml"]
    assert names("*.xml") == ["b1.xml", "b2.xml"]  # no folder
    assert names("c[1].txt") == ["c[1].txt"]  # a name before a glob
    assert names("**/d.xml") == ["sub.xml/d.xml"]


def test_files_of_several_folders_are_in_the_order_of_their_names(
    tmp_path, monkeypatch
):
    """As strings, as URLs are: a path's parts would be in another order."""
    monkeypatch.chdir(tmp_path)
    for name in ("d/a.txt", "d-1/a.txt", "d.x/a.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = [str(path) for path in FileGlobs.parse("*/*.txt").files()]
    assert found == ["d-1/a.txt", "d.x/a.txt", "d/a.txt"]


def test_files_as_the_original_finds_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("q", "b", "10", "9", ".hidden", "B", "sub/z", "a"):
        (tmp_path / f"{name}.txt").touch()
    found = FileGlobs.parse("*.txt,b.txt,[ab].txt,sub/*").files_as_found()
    patterns = ("*.txt", "b.txt", "[ab].txt", "sub/*")
    theirs = [path for each in patterns for path in tf.io.gfile.glob(each)]
    assert found == [*map(Path, theirs)]
    assert len(found) == 7 + 1 + 2 + 1
    # `**` is `*` there: it stays in one folder.
    assert FileGlobs.parse("**.txt").files_as_found() == found[:7]


@pytest.mark.parametrize("patterns", ["a.txt,none*.xml", "", ","])
def test_a_glob_that_matches_nothing(tmp_path, monkeypatch, patterns):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    for find in (FileGlobs.files, FileGlobs.files_as_found):
        with pytest.raises(InputError, match="no file"):
            find(FileGlobs.parse(patterns))
