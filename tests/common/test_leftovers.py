"""What killed processes left is removed, and what living ones write is not."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from biobert_tf.common import files, leftovers

WRITER = """
import sys, time
from pathlib import Path
from biobert_tf.common import files
with files.replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary.parent, flush=True)
    time.sleep(600)
"""
LINE = "30 1 8:1 / {point} rw,relatime shared:1 - {kind} /dev/vda rw\n"


@contextlib.contextmanager
def writing(path):
    """Another process that writes a file; yields its hidden folder and how to kill."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def kill():
            process.send_signal(signal.SIGKILL)
            process.wait()

        try:
            yield Path(process.stdout.readline().strip()), kill
        finally:
            kill()


@pytest.fixture(autouse=True)
def forgetful():
    """A process looks at a folder only once; each test is another process."""
    leftovers._seen.cache_clear()
    yield
    leftovers._seen.cache_clear()


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """The file systems are a network's."""
    mounts = tmp_path / "mounts"
    mounts.write_text(LINE.format(point="/", kind="nfs4"))
    monkeypatch.setattr(leftovers, "_MOUNTS", mounts)


def local_only():
    if not leftovers._is_local(Path.cwd()):
        pytest.skip("no disk of this machine, or no /proc")


def test_what_a_killed_process_left_goes_with_the_next_writing(tmp_path):
    local_only()
    with writing(tmp_path / "a.txt") as (left, kill):
        kill()
    assert (left / "a.txt").read_text() == "half"
    assert left.parent == tmp_path and left.name[:7] == ".a.txt."
    # Not ours: another output's, an earlier version's, and one of a longer name.
    kept = [".b.txt.abcdefgh~", ".a.txt.abcdefgh", ".a.txt.a.txt.abcdefgh~"]
    for name in kept:
        (tmp_path / name).mkdir()
    files.write_text(tmp_path / "a.txt", "whole")
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "a.txt"])
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_what_a_living_process_writes_stays(tmp_path):
    local_only()
    with writing(tmp_path / "a.txt") as (left, _):
        files.write_text(tmp_path / "a.txt", "whole")
        assert (left / "a.txt").read_text() == "half"


def test_own_folders_stay(tmp_path):
    with files.scratch(tmp_path / "a") as first:
        leftovers._seen.cache_clear()
        with files.scratch(tmp_path / "a") as second:
            assert first.is_dir() and second.is_dir() and first != second
    assert not list(tmp_path.iterdir())


def test_on_a_network_nothing_is_removed(tmp_path, elsewhere):
    left = tmp_path / "out" / ".a.txt.abcdefgh~"
    left.mkdir(parents=True)
    with files.scratch(tmp_path / "out" / "a.txt") as made:
        # A machine that has this disk itself knows that nobody holds it.
        assert made.name[-1] != "~"
        assert leftovers.output_of(made.name) == "a.txt"
    assert left.is_dir()


def test_a_folder_that_is_taken_for_a_left_one_is_made_again(tmp_path, monkeypatch):
    local_only()
    made, new = [], leftovers._new

    def swept(*arguments):
        folder = new(*arguments)
        made.append(Path(folder.name))
        if len(made) == 1:
            # Another process, before it is locked.
            os.rmdir(folder.name)
        return folder

    monkeypatch.setattr(leftovers, "_new", swept)
    files.write_text(tmp_path / "a.txt", "whole")
    assert len(made) == 2
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_that_goes_while_it_is_locked(tmp_path, monkeypatch):
    local_only()
    folder = tmp_path / ".a.abcdefgh~"
    folder.mkdir()
    monkeypatch.setattr(leftovers.fcntl, "flock", lambda *_: folder.rmdir())
    held = len(os.listdir("/proc/self/fd"))
    assert leftovers._locked(folder) is None
    assert len(os.listdir("/proc/self/fd")) == held


def test_many_outputs_hold_no_files_and_look_at_their_folder_once(
    tmp_path, monkeypatch
):
    local_only()
    looked, scandir = [], os.scandir
    monkeypatch.setattr(
        leftovers.os, "scandir", lambda path: looked.append(path) or scandir(path)
    )
    held = os.listdir("/proc/self/fd")
    for number in range(100):
        files.write_text(tmp_path / f"{number}.txt", "")
    assert os.listdir("/proc/self/fd") == held
    assert looked.count(tmp_path) == 1
    assert len(list(tmp_path.iterdir())) == 100


def test_what_is_in_a_hidden_folder_is_not_locked_again(tmp_path):
    local_only()
    with files.scratch(tmp_path / "a") as outer, files.scratch(outer / "b") as inner:
        assert outer.name[-1] == "~" and inner.name[-1] != "~"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("mounts", "is_local"),
    [
        ([("/", "ext4")], True),
        ([("/", "nfs")], False),
        ([("/", "ext4"), ("{here}", "fuse.sshfs")], False),
        ([("{here}", "nfs"), ("/", "ext4")], False),
        # The later one hides the earlier.
        ([("{here}", "nfs"), ("{here}", "xfs")], True),
        # Only its name begins like ours.
        ([("/", "nfs"), ("{beside}", "ext4")], False),
        ([], False),
    ],
)
def test_file_systems(tmp_path, monkeypatch, mounts, is_local):
    folder = tmp_path / "a b" / "c"
    folder.mkdir(parents=True)
    here = str(tmp_path / "a b").replace(" ", "\\040")
    points = {"/": "/", "{here}": here, "{beside}": here[:-1]}
    lines = [LINE.format(point=points[point], kind=kind) for point, kind in mounts]
    (tmp_path / "mounts").write_text("".join(lines))
    monkeypatch.setattr(leftovers, "_MOUNTS", tmp_path / "mounts")
    assert leftovers._is_local(folder) == is_local


def test_without_a_list_of_mounts_nothing_is_sure(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "_MOUNTS", tmp_path / "absent")
    assert not leftovers._is_local(tmp_path)


def test_a_folder_is_free_that_holds_only_what_was_left(tmp_path):
    (tmp_path / ".a.json.abcdefgh~").mkdir()
    (tmp_path / ".a.json.abcdefgh").mkdir()
    assert not leftovers.is_occupied(tmp_path)
    (tmp_path / ".hidden").write_text("")
    assert leftovers.is_occupied(tmp_path)
