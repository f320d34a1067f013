# SPDX-License-Identifier: Apache-2.0
"""Full disks and exhausted memory, as the libraries report them."""

import errno
import resource
import subprocess
import sys

import numpy as np
import pytest
import small_disks

from biobert_tf.common import files, program, room, streams
from biobert_tf.common.errors import InputError

FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    # What TensorFlow 2 and safetensors say.
    RuntimeError("/a/ckpt-1_temp/part; No space left on device [Op:SaveV2]"),
    RuntimeError("I/O error: No space left on device (os error 28)"),
    # NumPy 2, without an error number.
    OSError("320 requested and 0 written"),
]
FAILED = [
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ESTALE, "Stale file handle"),
    RuntimeError("/a/ckpt-1_temp/part; Input/output error [Op:SaveV2]"),
    RuntimeError("I/O error: Input/output error (os error 5)"),
]
EXHAUSTED = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("OOM when allocating tensor with shape[64,12,512,512] on GPU:0"),
    RuntimeError("Out of memory while trying to allocate 123456 bytes"),
    RuntimeError("std::bad_alloc"),
]
OTHERS = [
    ValueError("a bug"),
    OSError(errno.EACCES, "Permission denied"),
    InputError("a.txt:1: 'No space left on device' is no label"),
    InputError("a.txt:1: 'Out of memory' is no label"),
]


@pytest.mark.parametrize("error", [*FULL, *FAILED, *EXHAUSTED, *OTHERS])
def test_what_an_error_means(error):
    assert room.disk_is_full(error) == (error in FULL)
    assert room.disk_failed(error) == (error in FAILED)
    assert room.memory_is_exhausted(error) == (error in EXHAUSTED)
    assert (room.explained(error) is None) == (error in OTHERS)


@pytest.mark.parametrize(
    "error, line",
    [
        # Before the text may be anything, or a file of a folder that is no more.
        (FULL[2], "the disk is full; make room, or choose another directory"),
        (FULL[3], "the disk is full; make room, or choose another directory"),
        (OSError(errno.ENOSPC, "No space left", "/b"), "/b: the disk is full: "),
        (
            OSError(errno.EIO, "Bad", "/b"),
            "/b: cannot be written: the disk, or the way",
        ),
        (FAILED[2], "/a/ckpt-1_temp/part: cannot be written: the disk"),
        (FAILED[3], "a file: cannot be written: the disk"),
        (EXHAUSTED[0], "out of memory; lower --predict_batch_size, --train_batch_size"),
    ],
)
def test_a_program_ends_with_one_line(error, line, capsys):
    def main(argv):
        raise error

    assert program.run(main, []) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {line}")
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize("before", ["", "{{function_node __wrapped__SaveV2 a}} "])
@pytest.mark.parametrize("name", ["part", "new part", "my runs/part", "/part"])
def test_the_file_that_tensorflow_names(tmp_path, monkeypatch, before, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my runs").mkdir()
    path = f"{tmp_path}{name}" if name[0] == "/" else name
    error = RuntimeError(f"{before}{path}; No space left on device [Op:SaveV2]")
    assert str(room.explained(error)).startswith(f"{path}: the disk is full: needs ")


@pytest.mark.parametrize(
    "number, text",
    [(999, "999 bytes"), (1500, "1.5 kB"), (12e6, "12.0 MB"), (1.3e9, "1.3 GB")],
)
def test_size(number, text):
    assert room.size(number) == text


# --- a real full disk -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["new.txt", "old.txt", "new.txt.gz"])
def test_a_file_is_written_whole_or_not_at_all(small_disk, name):
    (small_disk / "old.txt").write_text("old")
    filler = small_disks.fill(small_disk, left=100_000)
    before = {path.name for path in small_disk.iterdir()}
    free = room.free_bytes(small_disk)
    assert free < 200_000
    noise = b"".join(number.to_bytes(4, "big") for number in range(0, 10**9, 3000))
    with (
        pytest.raises(InputError) as caught,
        streams.writing(small_disk / name) as stream,
    ):
        stream.write(noise)
    assert str(caught.value) == (
        f"{small_disk / name}: the disk is full: needs more than the "
        f"{room.size(free)} that are free; make room, or choose another directory"
    )
    assert {path.name for path in small_disk.iterdir()} == before
    assert (small_disk / "old.txt").read_text() == "old"
    filler.unlink()
    files.write_text(small_disk / "old.txt", "new")
    assert (small_disk / "old.txt").read_text() == "new"


def test_a_disk_without_room_for_a_folder(small_disk):
    """Each file and folder takes a page."""
    small_disks.fill(small_disk)
    with pytest.raises(InputError, match=r"a\.json: the disk is full: .* the 0 bytes "):
        files.write_json(small_disk / "new" / "a.json", {"a": "b" * 10_000})


@pytest.mark.parametrize("name", ["array", "archive"])
def test_arrays_that_do_not_fit(small_disk, name):
    small_disks.fill(small_disk, left=100_000)
    path = small_disk / name
    with (
        pytest.raises(InputError, match=rf"{name}: the disk is full: needs more than "),
        files.replacing(path) as temporary,
        temporary.open("wb") as stream,
    ):
        (np.save if name == "array" else np.savez)(stream, np.ones(100_000))
    assert [*small_disk.iterdir()] == [small_disk / "filler"]


# --- memory ---------------------------------------------------------------------------


def test_memory_of_this_process():
    """It is at least what the process has now."""
    memory = room.host_memory()
    assert memory is not None
    assert memory >= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 512


@pytest.mark.parametrize(
    "groups, limits, expected",
    [
        ("0::/", {}, 9000),
        ("0::/a/b", {"a/memory.max": "5000", "a/b/memory.max": "max"}, 5000),
        ("0::/a/b", {"memory.max": "4000"}, 4000),
        ("4:memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": "3000"}, 3000),
        ("4:cpu:/a", {"memory/a/memory.limit_in_bytes": "3000"}, 9000),
    ],
)
def test_limits_of_control_groups(tmp_path, monkeypatch, groups, limits, expected):
    (tmp_path / "cgroup").write_text(groups + "\n")
    for name, text in limits.items():
        path = tmp_path / "limits" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    monkeypatch.setattr(room, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(room, "_LIMITS", tmp_path / "limits")
    monkeypatch.setattr(room, "_kilobytes", lambda path, name: 4500)
    assert room.host_memory() == expected


def test_a_system_that_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "_MEMINFO", tmp_path / "absent")
    assert room.host_memory() is None


def test_a_process_without_memory():
    """Python's own error, in a process that may have 100 MB more than it has."""
    code = (
        "import resource, sys\n"
        "from biobert_tf.common import program, room\n"
        "held = room._kilobytes(room._STATUS, 'VmSize') + 10**8\n"
        "resource.setrlimit(resource.RLIMIT_AS, (held, held))\n"
        "sys.exit(program.run(lambda argv: bytearray(10**9), []))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: out of memory; lower ")
