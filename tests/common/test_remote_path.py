# SPDX-License-Identifier: Apache-2.0
"""Paths in a store, beside the same operations of `pathlib` on a disk."""

import copy
import errno
import io
import os
import pickle
from pathlib import Path, PurePosixPath

import pytest

from biobert_tf.common import files, room
from biobert_tf.common.comma_lists import FileGlobs, files_of
from biobert_tf.common.errors import InputError
from biobert_tf.common.remote_path import RemotePath, is_remote, parse

TEXT = "é line\r\nthe second"


@pytest.fixture
def folder(tmp_path):
    """A folder in TensorFlow's memory that no other test has."""
    return parse(f"ram://tests{tmp_path}")


def test_a_url_stays_a_url():
    path = parse("gs://bucket/folder/file.txt.gz")
    assert is_remote(path)
    assert str(path) == os.fspath(path) == f"{path}" == "gs://bucket/folder/file.txt.gz"
    assert repr(path) == "RemotePath('gs://bucket/folder/file.txt.gz')"
    assert str(path.parent) == "gs://bucket/folder"
    assert [*map(str, path.parents)] == ["gs://bucket/folder", "gs://bucket"]
    assert (path.name, path.stem, path.suffix) == ("file.txt.gz", "file.txt", ".gz")
    assert str(path.parent / "other") == "gs://bucket/folder/other"
    assert str(path.with_name("b")) == "gs://bucket/folder/b"
    assert str(path.relative_to(parse("gs://bucket"))) == "folder/file.txt.gz"
    assert Path("/tmp") / path.relative_to(parse("gs://bucket/folder")) == Path(
        "/tmp/file.txt.gz"
    )
    for other in (pickle.loads(pickle.dumps(path)), copy.deepcopy(path)):
        assert other == path and hash(other) == hash(path)
        assert type(other) is RemotePath and str(other) == str(path)
    assert path.resolve() == path.absolute() == path.expanduser() == path
    assert path != parse("gs://other/folder/file.txt.gz")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:///tmp/a%20b", Path("/tmp/a%20b")),
        ("file://localhost/tmp/a", Path("/tmp/a")),
        (Path("file:///tmp/a"), Path("/tmp/a")),
        ("a:/b", Path("a:/b")),
        ("./x", Path("x")),
        ("hf://owner/name", Path("hf://owner/name")),
    ],
)
def test_local_paths(text, path):
    assert parse(text) == path
    assert not is_remote(parse(text))


def test_a_url_that_pathlib_has_shortened():
    assert str(parse(Path("gs://bucket/file"))) == "gs://bucket/file"
    assert str(parse("GS://bucket//file/")) == "gs://bucket/file"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/file", "TensorFlow does not know s3://; use file://, gs://, ram"),
        ("https://host/file", "TensorFlow does not know https://"),
        ("gs://", "names no bucket; write gs://bucket/path"),
        ("gs:///", "names no bucket"),
        (
            "gs:/bucket/file",
            "a URL has two slashes behind the colon; write gs://bucket",
        ),
        ("file:/tmp/a", "a URL has two slashes behind the colon; write file:///tmp/a"),
        ("file://host/file", "names another machine; write file:///folder/file"),
    ],
)
def test_refusals(url, message):
    with pytest.raises(InputError) as raised:
        parse(url)
    assert str(raised.value).startswith(f"{url}: {message}")


def test_no_operation_touches_the_local_disk():
    """All that `pathlib` does with a disk is replaced, in each version of Python."""
    pure = {*dir(PurePosixPath), "home", "cwd", "from_uri"}
    # They call only methods that are replaced.
    composed = {"read_bytes", "read_text", "write_bytes", "write_text", "walk"}
    public = {name for name in dir(Path) if name[0] != "_"} - pure - composed
    kept = {name for name in public if getattr(RemotePath, name) is getattr(Path, name)}
    assert not kept
    assert "stat" in public


def operations(folder):
    """What a program sees that works in an empty folder; paths relative to it."""
    inner = folder / "a" / "b"
    seen = [folder.exists(), inner.is_dir()]
    inner.mkdir(parents=True)
    inner.mkdir(parents=True, exist_ok=True)
    file = inner / "x.txt"
    seen.append((file.exists(), inner.is_dir(), inner.is_file()))
    file.write_text(2 * TEXT)
    file.write_text(TEXT, encoding="utf-8", newline="")
    seen.append((file.read_text("utf-8"), file.read_bytes(), file.stat().st_size))
    with file.open("a", encoding="utf-8", newline="") as stream:
        stream.write("\nthe third")
    with file.open(encoding="utf-8") as stream:
        seen.append([*stream])
    with file.open("rb") as stream:
        seen.append((stream.seek(-5, io.SEEK_END), stream.read(3), stream.tell()))
        seen.append((stream.seek(1), stream.readline(), stream.read(0)))
    (inner / ".hidden").touch()
    (folder / "a" / "y.txt").write_bytes(b"1")
    for pattern in ("*", "**/*.txt", "a/*.txt", "a/b/x.txt", "*/*/.h*", "no/*"):
        found = folder.glob(pattern)
        seen.append(sorted(str(path.relative_to(folder)) for path in found))
    seen.append(sorted(path.name for path in folder.rglob("*.txt")))
    seen.append(sorted(path.name for path in inner.iterdir()))
    moved = file.replace(inner / "z.txt")
    seen.append((moved.name, file.exists(), moved.is_file(), moved.samefile(moved)))
    moved.unlink()
    moved.unlink(missing_ok=True)
    for fails in (
        moved.unlink,
        moved.read_bytes,
        moved.stat,
        inner.rmdir,
        inner.read_bytes,
        lambda: inner.mkdir(),
        lambda: (inner / ".hidden").touch(exist_ok=False),
        lambda: [*(folder / "none").iterdir()],
    ):
        with pytest.raises(OSError) as raised:
            fails()
        seen.append((type(raised.value), raised.value.strerror))
    seen.append(inner.is_fifo() or inner.is_symlink())
    return seen


def test_operations_are_those_of_a_disk(folder, tmp_path):
    local, remote = operations(tmp_path / "new"), operations(folder)
    assert remote == local


def test_a_name_that_begins_another(folder):
    for name in ("a.txt", "b/x", "bcd/y"):
        files.write_text(folder / name, TEXT)
    assert [path.name for path in (folder / "b").iterdir()] == ["x"]
    assert not (folder / "a").exists() and not (folder / "a").is_dir()
    assert (folder / "a.txt").is_file() and folder.is_dir()
    files.write_text(folder / "a", "another")
    assert (folder / "a").read_text() == "another"


def test_what_a_store_cannot_do(folder):
    for fails in (lambda: folder.symlink_to("x"), lambda: (folder / "x").open("r+")):
        with pytest.raises(io.UnsupportedOperation):
            fails()


def test_files_are_written_whole(folder):
    path = folder / "new" / "a.json"
    files.write_text(path, "something longer than what comes")
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}
    with pytest.raises(ZeroDivisionError), files.replacing(path) as temporary:
        assert not is_remote(temporary)
        temporary.write_text("half")
        raise ZeroDivisionError
    assert files.read_json(path) == {"a": 1}
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]
    assert room.free_bytes(path) > 2**60


def test_folders_are_moved_marker_last(folder, tmp_path, monkeypatch):
    source = tmp_path / "source"
    for name in ("done", "b/x", "z"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    order = []
    copied = files.remote_path.copy
    monkeypatch.setattr(
        files.remote_path, "copy", lambda a, b: (order.append(b.name), copied(a, b))
    )
    files.move(source, folder / "t", last="done")
    assert order == ["x", "z", "done"] and not source.exists()
    names = [str(p.relative_to(folder)) for p in files.files_below(folder)]
    assert names == ["t/b/x", "t/done", "t/z"]
    # Back again, and between two folders of the store.
    files.move(folder / "t", folder / "u")
    files.move(folder / "u", source)
    assert (source / "b" / "x").read_text() == "b/x"
    assert files.files_below(folder) == []
    with pytest.raises(OSError) as raised:
        files.write_text(folder / "full" / "x", "")
        files.move(source, folder / "full")
    assert raised.value.errno == errno.ENOTEMPTY


def test_local_copies_and_removal(folder):
    path = folder / "a" / "x.txt"
    files.write_text(path, TEXT)
    with files.local_copy(path) as copied:
        assert copied.name == "x.txt" and not is_remote(copied)
        assert files.read_verbatim(copied) == TEXT
    assert not copied.exists()
    missing = files.local_copy(folder / "none")
    with pytest.raises(InputError, match=r"none: no such file"), missing:
        pass
    files.remove_tree(folder / "a")
    files.remove_tree(folder / "a")
    assert not path.exists()


def test_globs(folder, tmp_path):
    names = ["b.txt", "a.txt", ".h.txt", "c/d.txt"]
    for root in (folder, tmp_path):
        for name in names:
            files.write_text(root / name, name)
    for pattern in ("*.txt", "**/*.txt", "a.txt", ".*.txt", "?/*"):
        found = [
            [str(path.relative_to(root)) for path in files_of(f"{root}/{pattern}")]
            for root in (folder, tmp_path)
        ]
        assert found[0] == found[1] and found[0]
    hidden = files_of(f"{folder}/*.txt", as_found=True)
    assert {path.name for path in hidden} == {"b.txt", "a.txt", ".h.txt"}
    with pytest.raises(InputError, match="no file matches"):
        FileGlobs.parse(f"{folder}/*.none").files()
    assert files_of(f"file://{tmp_path}/a.txt") == [tmp_path / "a.txt"]
