# SPDX-License-Identifier: Apache-2.0
import pytest

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


@pytest.mark.parametrize("patterns", ["a.txt,none*.xml", "", ","])
def test_a_glob_that_matches_nothing(tmp_path, monkeypatch, patterns):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match="no file"):
        FileGlobs.parse(patterns).files()
