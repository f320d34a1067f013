import contextlib
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import checkpoint_toys as toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import prefixes, tf1
from biobert_tf.common import room, unpacked_size
from biobert_tf.common.errors import InputError

DATA = ".data-00000-of-00001"


@pytest.fixture
def saved(tmp_path):
    """The prefix of a toy checkpoint."""
    prefix = tmp_path / "run" / "model.ckpt-40"
    tf1.write(toys.weights("classifier"), prefix, 40)
    return prefix


def copy(prefix, other):
    for ending in (".index", DATA):
        shutil.copyfile(f"{prefix}{ending}", f"{other}{ending}")


def archive(path, *folders):
    with tarfile.open(path, "w:gz") as out:
        for folder in folders:
            out.add(folder, arcname=folder.name)
    return path


# --- writing ---------------------------------------------------------------------


def test_round_trip(saved):
    checkpoint = tf1.read(saved)
    toys.assert_same(checkpoint.weights, toys.weights("classifier"))
    assert checkpoint.ignored == ("global_step",)
    assert checkpoint.source == saved


def test_files_are_those_of_tf1(saved):
    assert sorted(path.name for path in saved.parent.iterdir()) == [
        "checkpoint",
        "model.ckpt-40.data-00000-of-00001",
        "model.ckpt-40.index",
    ]
    assert (saved.parent / "checkpoint").read_text() == (
        'model_checkpoint_path: "model.ckpt-40"\n'
        'all_model_checkpoint_paths: "model.ckpt-40"\n'
    )
    reader = tf.train.load_checkpoint(str(saved))
    step = reader.get_tensor("global_step")
    assert (step, step.dtype, step.shape) == (40, np.int64, ())


def test_tf1_loads_it(saved):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variable = tf.compat.v1.get_variable("output_weights", [3, 4])
        tf.compat.v1.train.init_from_checkpoint(
            str(saved.parent), {"output_weights": variable}
        )
        session.run(tf.compat.v1.global_variables_initializer())
        loaded = session.run(variable)
    assert np.array_equal(loaded, toys.weights("classifier")["output_weights"])


def test_state_lists_what_is_still_there(saved):
    for step in (80, 120):
        tf1.write(toys.weights(), saved.with_name(f"model.ckpt-{step}"), step)
    saved.with_name("model.ckpt-80.index").unlink()
    tf1.write(toys.weights(), saved.with_name("model.ckpt-160"), 160)
    assert (saved.parent / "checkpoint").read_text().splitlines() == [
        'model_checkpoint_path: "model.ckpt-160"',
        'all_model_checkpoint_paths: "model.ckpt-40"',
        'all_model_checkpoint_paths: "model.ckpt-120"',
        'all_model_checkpoint_paths: "model.ckpt-160"',
    ]
    assert prefixes.find(saved.parent).name == "model.ckpt-160"


def test_a_failed_write_leaves_the_old_checkpoint(saved, monkeypatch):
    def full(**_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    before = {path.name: path.read_bytes() for path in saved.parent.iterdir()}
    monkeypatch.setattr(tf.raw_ops, "SaveV2", full)
    with pytest.raises(InputError, match=r"model\.ckpt-40: cannot .*: No space left"):
        tf1.write(toys.weights(), saved, 41)
    assert {path.name: path.read_bytes() for path in saved.parent.iterdir()} == before


@pytest.mark.parametrize(
    "num_moved, expected", [(0, None), (1, None), (2, None), (3, "squad")]
)
def test_never_a_mixture_of_old_and_new(saved, monkeypatch, num_moved, expected):
    """Killed between two moves: there is no checkpoint, or the whole new one."""
    moved = []
    replace = Path.replace

    def kill(path, target):
        if len(moved) == num_moved:
            raise KeyboardInterrupt
        moved.append(target.name)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", kill)
        with contextlib.suppress(KeyboardInterrupt):
            tf1.write(toys.weights("squad"), saved, 41)
    assert len(moved) == num_moved
    files = ["checkpoint", "model.ckpt-40.data-00000-of-00001", "model.ckpt-40.index"]
    assert set(moved) <= set(files) and files[2] not in moved[:2]
    if expected is None:
        with pytest.raises(InputError, match="no such checkpoint"):
            tf1.read(saved)
    else:
        toys.assert_same(tf1.read(saved.parent).weights, toys.weights(expected))


def test_a_newest_that_was_not_written_is_passed_over(saved):
    """Its name is there before its index."""
    prefixes.index(saved.with_name("model.ckpt-80")).touch()
    tf1.record(saved)
    tf1.record(saved.with_name("model.ckpt-120"))
    assert prefixes.find(saved.parent) == saved


def test_unwritable_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        tf1.write(toys.weights(), tmp_path / "file" / "model.ckpt", 0)


# --- finding ---------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".index", DATA, ".meta"])
def test_every_file_stands_for_its_prefix(saved, ending):
    assert prefixes.find(saved.with_name(saved.name + ending)) == saved


def test_a_directory_stands_for_its_newest(saved):
    copy(saved, saved.with_name("model.ckpt-9"))
    copy(saved, saved.with_name("model.ckpt-80"))
    assert prefixes.find(saved.parent) == saved


@pytest.mark.parametrize("state", ["/another/computer/model.ckpt-80", "model.ckpt-80"])
def test_state_names_are_looked_up_in_the_directory(saved, state):
    copy(saved, saved.with_name("model.ckpt-80"))
    (saved.parent / "checkpoint").write_text(f'model_checkpoint_path: "{state}"\n')
    assert prefixes.find(saved.parent) == saved.with_name("model.ckpt-80")


@pytest.mark.parametrize(
    "state",
    [
        None,
        b"",
        b"rubbish",
        b'model_checkpoint_path: "\xec"',
        b'model_checkpoint_path: "x"',
    ],
)
def test_without_a_usable_state_the_only_checkpoint_counts(saved, state):
    file = saved.parent / "checkpoint"
    file.unlink() if state is None else file.write_bytes(state)
    (saved.parent / "._model.ckpt-40.index").touch()
    assert prefixes.find(saved.parent) == saved
    copy(saved, saved.with_name("model.ckpt-9"))
    with pytest.raises(
        InputError, match=r"run: holds 2 checkpoints: model\.ckpt-40, model\.ckpt-9; "
    ):
        prefixes.find(saved.parent)


def test_no_checkpoint(saved, tmp_path):
    with pytest.raises(
        InputError, match=r"biobert_model.ckpt: no such .*run holds model\.ckpt-40$"
    ):
        prefixes.find(saved.with_name("biobert_model.ckpt"))
    with pytest.raises(InputError, match="holds no checkpoint"):
        prefixes.find(tmp_path)
    with pytest.raises(InputError, match="absent holds none"):
        prefixes.find(tmp_path / "absent" / "model.ckpt")


@pytest.mark.parametrize("name", ["biobert.tar.gz", "biobert.tgz"])
def test_archive(saved, tmp_path, name):
    (saved.parent / "vocab.txt").write_text("a\n")
    (saved.parent / "._model.ckpt-40.index").touch()
    hidden = tmp_path / "__MACOSX"
    hidden.mkdir()
    (hidden / "._model.ckpt-40.index").touch()
    path = archive(tmp_path / name, saved.parent, hidden)
    toys.assert_same(
        checkpoints.locate(path).read().weights, toys.weights("classifier")
    )
    beside = checkpoints.locate(path).beside("config.json", "vocab.txt")
    assert beside.read_text() == "a\n"
    assert tmp_path not in beside.parents


def test_archive_changed_meanwhile(saved, tmp_path):
    path = archive(tmp_path / "x.tgz", saved.parent)
    checkpoints.locate(path).read()
    tf1.write(toys.weights("squad"), saved, 41)
    archive(path, saved.parent)
    toys.assert_same(checkpoints.locate(path).read().weights, toys.weights("squad"))


def test_bad_archives(saved, tmp_path):
    path = archive(tmp_path / "x.tar.gz", saved.parent)
    with pytest.raises(InputError, match=r"absent\.tar\.gz: no such file"):
        checkpoints.locate(tmp_path / "absent.tar.gz").read()
    cut = tmp_path / "cut.tar.gz"
    for size in (0, 100, path.stat().st_size - 500):
        cut.write_bytes(path.read_bytes()[:size])
        with pytest.raises(InputError, match=r"cut\.tar\.gz: cannot be unpacked"):
            checkpoints.locate(cut).read()
    other = tmp_path / "other"
    shutil.copytree(saved.parent, other)
    with pytest.raises(InputError, match="holds 2 checkpoints: other, run; unpack"):
        checkpoints.locate(archive(tmp_path / "two.tgz", saved.parent, other)).read()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no checkpoint"):
        checkpoints.locate(archive(tmp_path / "empty.tgz", tmp_path / "empty")).read()


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("_ALWAYS", r"refused: its .* unpack to more than .*give the folder"),
        ("free", r"that are free in .*biobert-.*; make room, or set TMPDIR to another"),
    ],
)
def test_an_archive_of_too_much(tmp_path, monkeypatch, limit, message):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path, content = tmp_path / "x.tar.gz", bytes(3_000_000)
    with tarfile.open(path, "w:gz") as out:
        for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))
    if limit == "free":
        monkeypatch.setattr(room, "free_bytes", lambda path: 4_000_000)
    else:
        monkeypatch.setattr(unpacked_size, limit, 4_000_000)
    with pytest.raises(InputError, match=rf"x\.tar\.gz: .*{message}"):
        checkpoints.locate(path).read()
    # What was unpacked before is gone.
    assert not list((tmp_path / "tmp").iterdir())


def test_archive_cannot_write_elsewhere(tmp_path):
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        entry = tarfile.TarInfo("../../evil.index")
        entry.size = 1
        out.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(InputError, match="cannot be unpacked"):
        checkpoints.locate(path).read()


# --- damage ----------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".index", DATA])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_cut_files(saved, ending, keep):
    path = saved.with_name(saved.name + ending)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(InputError, match=r"run/model\.ckpt-40: damaged"):
        tf1.read(saved)


def test_a_flipped_bit_is_noticed(saved):
    path = saved.with_name(saved.name + DATA)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"run/model\.ckpt-40: damaged .*hecksum"):
        tf1.read(saved)


def test_missing_data(saved):
    saved.with_name(saved.name + DATA).unlink()
    with pytest.raises(InputError, match=r"run/model\.ckpt-40: damaged"):
        tf1.read(saved)


def test_no_bert_inside(tmp_path):
    tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(tmp_path / "ckpt"))
    with pytest.raises(InputError, match=r"no variable with a BERT name, but Variable"):
        tf1.read(tmp_path / "ckpt")


# --- recorded checkpoints --------------------------------------------------------


def recorded(folder):
    return sorted(path.parent for path in folder.glob("model/*/variables.json"))


@pytest.mark.golden
def test_every_recorded_tensor(golden):
    assert recorded(golden)
    for folder in recorded(golden):
        expected = json.loads((folder / "variables.json").read_text())
        checkpoint = tf1.read(folder)
        assert {*checkpoint.weights, *checkpoint.ignored} == set(expected)
        for name, array in checkpoint.weights.items():
            facts = expected[name]
            assert list(array.shape) == facts["shape"]
            assert str(array.dtype) == facts["dtype"]
            assert array.sum(dtype=np.float64) == pytest.approx(facts["sum_float64"])
            assert hashlib.sha256(array.tobytes()).hexdigest() == facts["sha256"]


@pytest.mark.golden
def test_slots_are_left_out(golden):
    """A slot is named after its variable; the optimizer's own numbers are scalars."""
    num_slots = 0
    for folder in recorded(golden):
        stored = json.loads((folder / "variables.json").read_text())
        slots = {name for name in stored if name.rpartition("/")[0] in stored}
        scalars = {name for name, facts in stored.items() if facts["shape"] == []}
        assert {*tf1.read(folder).ignored} == slots | scalars
        num_slots += len(slots)
    assert num_slots


@pytest.mark.golden
def test_our_files_equal_those_of_tf1(golden, tmp_path):
    """Byte for byte, for the checkpoints that hold weights and a step only."""
    compared = 0
    for folder in sorted(path.parent for path in golden.glob("model/*/checkpoint")):
        checkpoint = tf1.read(folder)
        if checkpoint.ignored != ("global_step",):
            continue
        reader = tf.train.load_checkpoint(str(checkpoint.source))
        prefix = tmp_path / folder.name / checkpoint.source.name
        tf1.write(checkpoint.weights, prefix, int(reader.get_tensor("global_step")))
        for path in prefix.parent.iterdir():
            assert path.read_bytes() == (folder / path.name).read_bytes(), path
            compared += 1
    assert compared


@pytest.mark.data
def test_checkpoint_of_another_project(data):
    folder = data / "checkpoints" / "toy_tf1"
    checkpoint = tf1.read(folder)
    entries = json.loads(next(folder.glob("*.vars.json")).read_text())
    shapes = {entry["name"]: tuple(entry["shape"]) for entry in entries}
    assert {*checkpoint.weights, *checkpoint.ignored} == set(shapes)
    for name, array in checkpoint.weights.items():
        assert array.shape == shapes[name]
    assert all(
        name.endswith(("adam_m", "adam_v", "step")) for name in checkpoint.ignored
    )
