import os
import shutil

import pytest

from biobert_tf.common import tpu, wheels

NO_DEVICE = (
    "Graph execution error:\n\nDetected at node b defined at (most recent call last):\n"
    "<stack traces unavailable>\nNo matching devices found for '/device:TPU:*'\n"
    "\t [[{{node b}}]] [Op:__inference_f_4]"
)
NO_KERNEL = (
    "TPUs not found in the cluster. No OpKernel was registered to support Op 'C' used "
    "by {{node C}} with these attrs: [a=2]\nRegistered devices: [CPU]\n"
)
SAID = "(TensorFlow: No matching devices found for '/device:TPU:*')"


def wheels_of(name, **versions):
    owner = wheels.Owner(name, "2.20.0", 2, ())
    return wheels.Wheels({**wheels.PINS, **versions}, [owner], None)


FITTING = wheels_of("tensorflow-tpu")


@pytest.fixture
def machine(tmp_path):
    """The files of a machine with a TPU; returns a function that adds a process."""
    (tmp_path / "dev" / "vfio").mkdir(parents=True)
    # The entry of the driver itself is no chip.
    (tmp_path / "dev" / "vfio" / "vfio").touch()
    (tmp_path / "dev" / "accel0").touch()

    def process(number, opened="", command=b"python\0train.py\0"):
        folder = tmp_path / "proc" / str(number)
        (folder / "fd").mkdir(parents=True)
        (folder / "fd" / "3").symlink_to(tmp_path / opened)
        (folder / "cmdline").write_bytes(command)

    return process


@pytest.mark.parametrize(
    "error, line",
    [
        (NO_DEVICE, "No matching devices found for '/device:TPU:*'"),
        (
            NO_KERNEL,
            "TPUs not found in the cluster. No OpKernel was registered to support Op "
            "'C'",
        ),
        ("Graph execution error:", "Graph execution error:"),
        ("", ""),
    ],
)
def test_the_line_that_tells_something(error, line):
    assert tpu.useful_line(error) == line


def test_chips(machine, tmp_path):
    assert [path.name for path in tpu.chips(tmp_path)] == ["accel0"]
    (tmp_path / "dev" / "vfio" / "12").touch()
    assert [path.name for path in tpu.chips(tmp_path)] == ["accel0", "12"]


def test_who_has_opened_a_chip(machine, tmp_path):
    machine(7, "dev/null")
    machine(os.getpid(), "dev/accel0")
    assert tpu.holders(tmp_path) == {} and tpu.held(tmp_path) is None
    machine(8, "dev/accel0")
    assert tpu.holders(tmp_path) == {8: "python train.py"}
    # It may end while we look.
    shutil.rmtree(tmp_path / "proc" / "8")
    (tmp_path / "proc" / "8" / "fd").mkdir(parents=True)
    assert tpu.holders(tmp_path) == {}


def test_who_has_the_lock(machine, tmp_path):
    machine(12, command=b"jax\nmain\0")
    lock = tmp_path / "tmp" / "libtpu_lockfile"
    lock.parent.mkdir()
    lock.touch()
    inode = lock.stat().st_ino
    locks = [
        f"1: POSIX  ADVISORY  WRITE 12 fe:00:{inode} 0 EOF",
        f"1: -> POSIX  ADVISORY  WRITE 13 fe:00:{inode} 0 EOF",
        f"2: FLOCK  ADVISORY  WRITE 14 fe:00:{inode + 1} 0 EOF",
        f"3: POSIX  ADVISORY  WRITE {os.getpid()} fe:00:{inode} 0 EOF",
    ]
    (tmp_path / "proc" / "locks").write_text("\n".join(locks) + "\n")
    held = "held by process 12 (jax main); end it, or wait for it"
    assert tpu.held(tmp_path) == held
    assert tpu.reason(NO_DEVICE, FITTING, tmp_path) == f"it is {held} {SAID}"


def test_the_likely_cause(machine, tmp_path):
    plain = tpu.reason(NO_DEVICE, wheels_of("tensorflow"), tmp_path)
    assert plain == f"TensorFlow is not built for TPUs; {wheels.INSTALL_TPU} {SAID}"
    both = wheels.Wheels({}, [*FITTING.owners, *wheels_of("tensorflow").owners], None)
    assert "share one folder" in tpu.reason(NO_DEVICE, both, tmp_path)
    unfit = wheels_of("tensorflow-tpu", libtpu="0.0.52")
    assert tpu.reason(NO_DEVICE, unfit, tmp_path).startswith("libtpu 0.0.52 does not")
    nothing = "`biobert doctor --use_tpu` may tell more"
    assert tpu.reason(NO_DEVICE, FITTING, tmp_path) == f"{nothing} {SAID}"
    absent = tpu.reason(NO_DEVICE, FITTING, tmp_path / "empty")
    assert absent.startswith("this machine has none (no /dev/accel0, ")
