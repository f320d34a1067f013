# SPDX-License-Identifier: Apache-2.0
"""After a crash of the machine, readers see the old or the new, and never a mixture."""

import os
from collections import Counter

import crash_states
import pytest

from biobert_tf.checkpoints import base
from biobert_tf.common import durable, files
from biobert_tf.common.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """The folder in which a test writes; the states are made beside it."""
    made = tmp_path / "disk"
    made.mkdir()
    return made


def crashed(record, tmp_path):
    """The states, of which there must be some for every moment."""
    found = list(record.states(tmp_path / "crashed"))
    assert found
    return found


def seen(record, tmp_path, read):
    """How often `read` has returned what, and what it returned after all."""
    counts, last = Counter(), set()
    for state in record.states(tmp_path / "crashed"):
        value = read(state.folder)
        counts[value] += 1
        if state.is_after_all:
            last.add(value)
    return counts, last


def text_of(path):
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("name", ["a.json", "new/newer/a.json"])
def test_a_file(folder, tmp_path, monkeypatch, before, name):
    if before is not None:
        files.write_text(folder / name, before)
    with crash_states.recording(folder, monkeypatch) as record:
        files.write_text(folder / name, "new text")
    counts, last = seen(record, tmp_path, lambda made: text_of(made / name))
    assert counts.keys() == {before, "new text"}
    assert last == {"new text"}


def folder_of(path):
    if not path.is_dir():
        return None
    return tuple((each.name, each.read_text()) for each in sorted(path.iterdir()))


def write_folder(path):
    with files.replacing(path) as temporary:
        temporary.mkdir()
        for name in ("a.txt", "b.txt"):
            (temporary / name).write_text(f"{name} is long")


def test_a_folder(folder, tmp_path, monkeypatch):
    with crash_states.recording(folder, monkeypatch) as record:
        write_folder(folder / "made")
    counts, last = seen(record, tmp_path, lambda made: folder_of(made / "made"))
    whole = (("a.txt", "a.txt is long"), ("b.txt", "b.txt is long"))
    assert counts.keys() == {None, whole}
    assert last == {whole}


def write_checkpoint(folder, version):
    with base.staged(folder, "model.index") as staging:
        for name in ("config.json", "model.data", "model.index"):
            (staging / name).write_text(f"{name} of {version}")


def checkpoint_of(folder):
    """The versions of the files of a checkpoint that a reader finds."""
    if not (folder / "model.index").exists():
        return None
    return tuple(
        (folder / name).read_text().removeprefix(f"{name} of ")
        for name in ("config.json", "model.data", "model.index")
    )


def test_a_checkpoint_of_several_files(folder, tmp_path, monkeypatch):
    write_checkpoint(folder, "old")
    with crash_states.recording(folder, monkeypatch) as record:
        write_checkpoint(folder, "new")
    counts, last = seen(record, tmp_path, checkpoint_of)
    assert counts.keys() == {("old",) * 3, None, ("new",) * 3}
    assert last == {("new",) * 3}


@pytest.mark.parametrize("what", ["files", "folders"])
def test_without_a_sync_it_is_found_broken(folder, tmp_path, monkeypatch, what):
    """So these tests can fail: without one of the two syncs they do."""
    sync = durable._sync

    def some(path):
        if path.is_dir() == (what == "files"):
            sync(path)

    write_checkpoint(folder, "old")
    monkeypatch.setattr(durable, "_sync", some)
    with crash_states.recording(folder, monkeypatch) as record:
        files.write_text(folder / "a.json", "new text")
        write_checkpoint(folder, "new")
    _, last = seen(record, tmp_path, lambda made: text_of(made / "a.json"))
    assert last > {"new text"}

    def mixed(made):
        try:
            found = checkpoint_of(made)
        except FileNotFoundError:
            return True
        return found is not None and len(set(found)) > 1

    counts, _ = seen(record, tmp_path, mixed)
    assert counts[True]


def test_what_passes_is_not_synced(folder, monkeypatch):
    """A file in a folder that is moved is synced once, when it is moved."""
    names = []
    monkeypatch.setattr(durable, "_sync", lambda path: names.append(path.name))
    with files.replacing(folder / "made") as temporary:
        temporary.mkdir()
        files.write_text(temporary / "a.txt", "a")
        assert not names
    assert names == ["a.txt", "made", "disk"]
    names.clear()
    files.write_text(files.folder_until_exit("biobert-test-") / "a" / "b.txt", "")
    assert not names


def test_a_folder_that_cannot_be_synced(folder, monkeypatch):
    """As on some networks; a file that cannot be synced is an error."""
    fsync = os.fsync

    def fail(number):
        if os.path.isdir(f"/proc/self/fd/{number}") or is_bad:
            raise OSError(22 if not is_bad else 5, "no")
        fsync(number)

    is_bad = False
    monkeypatch.setattr(os, "fsync", fail)
    files.write_text(folder / "a.txt", "a")
    is_bad = True
    with pytest.raises(InputError, match=r"a\.txt: cannot be written: the disk"):
        files.write_text(folder / "a.txt", "b")
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    assert (folder / "a.txt").read_text() == "a"
