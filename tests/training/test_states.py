# SPDX-License-Identifier: Apache-2.0
"""States on disks that are too small, damaged, or of a machine that crashed."""

import dataclasses
import random
from pathlib import Path
from types import SimpleNamespace

import crash_states
import engine
import numpy as np
import pytest
import small_disks
import tensorflow as tf

from biobert_tf.checkpoints import tf1
from biobert_tf.common import program, room
from biobert_tf.common.errors import InputError
from biobert_tf.training import progress, records, states, useful_time

# Its states have about 1 MB.
LARGE = dataclasses.replace(engine.CONFIG, vocab_size=5000)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return engine.write_rows(tmp_path_factory.mktemp("data") / "x", 11)


def saved_steps(folder):
    return sorted(int(path.stem[5:]) for path in folder.glob("training/*.index"))


def names(folder):
    return {path.name.partition(".")[0] for path in (folder / "training").iterdir()}


def test_the_size_of_a_state(tmp_path, paths, caplog):
    """The estimate before the training is the size of the data.

    But for the graph of the objects, some kilobytes for a model of any size.
    """
    made = engine.estimator(tmp_path, config=LARGE, keep_checkpoint_max=2)
    with caplog.at_level("INFO"):
        engine.train(made, paths)
    (data,) = tmp_path.glob("training/ckpt-7.data*")
    weights = sum(array.nbytes for array in made.weights().values())
    manager = states.StateManager(tf.train.Checkpoint(), tmp_path, 2, made.model)
    assert manager.model_bytes == weights
    assert 0 <= data.stat().st_size - manager.state_bytes < 20_000 < weights / 10
    wanted = room.size(2 * manager.state_bytes + weights)
    assert f"2 states and the model take {wanted}" in caplog.text


@pytest.mark.parametrize("most", [1, 2, 3])
def test_never_more_states_than_asked_for(tmp_path, paths, most, monkeypatch):
    """Counted while one is written, when it has no index yet."""
    seen = []
    write = tf.train.Checkpoint.write

    def count(self, prefix):
        seen.append(len(saved_steps(tmp_path)) + 1)
        return write(self, prefix)

    monkeypatch.setattr(tf.train.Checkpoint, "write", count)
    settings = {"save_checkpoints_steps": 1, "keep_checkpoint_max": most}
    engine.train(engine.estimator(tmp_path, **settings), paths)
    assert max(seen) == max(most, 2)
    assert len(seen) == 7
    assert saved_steps(tmp_path) == list(range(8 - most, 8))
    assert tf.train.latest_checkpoint(str(tmp_path / "training")).endswith("ckpt-7")


def test_fewer_states_make_room_before_the_first_is_saved(tmp_path, paths, monkeypatch):
    many = {"save_checkpoints_steps": 1, "keep_checkpoint_max": 5}
    engine.train(engine.estimator(tmp_path, max_steps=5, **many), paths)
    assert saved_steps(tmp_path) == [1, 2, 3, 4, 5]
    few = engine.estimator(tmp_path, save_checkpoints_steps=1, keep_checkpoint_max=2)
    monkeypatch.setattr(tf.train.Checkpoint, "write", full)
    with pytest.raises(InputError, match=r"ckpt-6: the disk is full"):
        engine.train(few, paths)
    assert saved_steps(tmp_path) == [5]


def full(self, prefix):
    """What TensorFlow does on a full disk."""
    half = f"{prefix}_temp/part-00000-of-00001"
    tf.io.gfile.makedirs(half.rpartition("/")[0])
    tf.io.write_file(half, "half")
    raise tf.errors.ResourceExhaustedError(
        None, None, f"{half}; No space left on device"
    )


@pytest.mark.parametrize(
    "error, kind, message",
    [
        (None, InputError, r"ckpt-6: the disk is full: needs \d.*resumes from step 3"),
        (KeyboardInterrupt("now"), KeyboardInterrupt, "now"),
    ],
)
def test_half_a_state_is_removed(tmp_path, paths, monkeypatch, error, kind, message):
    engine.train(engine.estimator(tmp_path, max_steps=3), paths)

    def fail(self, prefix):
        try:
            full(self, prefix)
        except tf.errors.OpError:
            if error:
                raise error from None
            raise

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Checkpoint, "write", fail)
        with pytest.raises(kind, match=message):
            engine.train(engine.estimator(tmp_path), paths)
    assert names(tmp_path) == {"checkpoint", "ckpt-3", "started"}
    assert engine.train(engine.estimator(tmp_path), paths) == 7


def test_half_a_state_of_a_step_that_is_saved_again(tmp_path, paths, monkeypatch):
    """What was saved before stays."""
    model = engine.estimator(tmp_path, config=LARGE).model
    folder = tmp_path / "training"
    manager = states.StateManager(tf.train.Checkpoint(), folder, 2, model)
    manager.save(3)
    monkeypatch.setattr(tf.train.Checkpoint, "write", full)
    with pytest.raises(InputError, match=r"ckpt-3\.again: the disk is full"):
        manager.save(3)
    assert names(tmp_path) == {"checkpoint", "ckpt-3", "started"}
    assert manager.latest_checkpoint == str(folder / "ckpt-3")


def test_two_models_may_be_there(tmp_path, caplog, monkeypatch):
    model = engine.estimator(tmp_path, config=LARGE).model
    manager = states.StateManager(tf.train.Checkpoint(), tmp_path, 2, model)
    least = 2 * manager.state_bytes + 2 * manager.model_bytes
    monkeypatch.setattr(room, "free_bytes", lambda path: least)
    with caplog.at_level("INFO"):
        manager.require_room(5, 2)
    assert f"2 states and 2 models take {room.size(least)}" in caplog.text
    monkeypatch.setattr(room, "free_bytes", lambda path: least - 1)
    manager.require_room(5, 1)
    with pytest.raises(InputError, match="too little for 2 states and 2 models, "):
        manager.require_room(5, 2)


def test_what_a_killed_process_leaves_is_removed(tmp_path, paths):
    half = tmp_path / "training" / "ckpt-5_temp"
    half.mkdir(parents=True)
    (half / "part-00000-of-00001.data-00000-of-00001.tempstate1").write_text("half")
    engine.train(engine.estimator(tmp_path, max_steps=1), paths)
    assert names(tmp_path) == {"checkpoint", "ckpt-1", "started"}


# --- a real small disk ----------------------------------------------------------------


def test_a_disk_that_fills_up_in_a_training(small_disk, paths):
    """Somebody else takes the room after the first state."""
    settings = {"config": LARGE, "keep_checkpoint_max": 3}
    filler = None

    made = engine.estimator(small_disk, max_steps=3, **settings)
    engine.train(made, paths)
    resumed = engine.estimator(small_disk, **settings)
    save = states.StateManager.save

    def fill_first(self, checkpoint_number):
        nonlocal filler
        filler = small_disks.fill(small_disk, left=300_000)
        return save(self, checkpoint_number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states.StateManager, "save", fill_first)
        with pytest.raises(InputError) as caught:
            engine.train(resumed, paths)
    free = room.size(room.free_bytes(small_disk))
    text = str(caught.value)
    assert text.startswith(f"{small_disk}/training/ckpt-6: the disk is full: needs ")
    assert f" and {free} are free; make room, or lower --keep_checkpoint_max (" in text
    assert text.endswith("; the same command then resumes from step 3")
    assert names(small_disk) == {"checkpoint", "ckpt-3", "started"}
    filler.unlink()
    assert engine.train(engine.estimator(small_disk, **settings), paths) == 7
    assert saved_steps(small_disk) == [3, 6, 7]


def test_a_disk_too_small_for_two_states(small_disk, paths):
    small_disks.fill(small_disk, left=1_200_000)
    made = engine.estimator(small_disk, config=LARGE)
    with pytest.raises(
        InputError, match=r"too little for 2 states .* another --output_dir"
    ):
        engine.train(made, paths)
    assert not [*small_disk.glob("training/ckpt-*")]


def test_a_disk_too_small_for_all_states(small_disk, paths, caplog):
    """Every step is saved, and two states are kept as the warning says."""
    small_disks.fill(small_disk, left=2_900_000)
    settings = {"config": LARGE, "save_checkpoints_steps": 1, "max_steps": 4}
    made = engine.estimator(small_disk, keep_checkpoint_max=5, **settings)
    with pytest.raises(InputError, match=r"ckpt-3: the disk is full"):
        engine.train(made, paths)
    assert "lower --keep_checkpoint_max (now 5)" in caplog.text
    assert saved_steps(small_disk) == [1, 2]
    caplog.clear()
    fewer = engine.estimator(small_disk, keep_checkpoint_max=2, **settings)
    assert engine.train(fewer, paths) == 4
    assert "--keep_checkpoint_max" not in caplog.text
    assert saved_steps(small_disk) == [3, 4]


def test_records_that_do_not_fit(small_disk):
    small_disks.fill(small_disk, left=50_000)
    path = small_disk / "train.tf_record"
    with pytest.raises(InputError, match=r"train\.tf_record: the disk is full: needs "):
        records.write(path, engine.rows(5000), engine.TASK.specs)
    assert [*small_disk.iterdir()] == [small_disk / "filler"]


def test_a_checkpoint_that_does_not_fit(small_disk):
    weights = engine.estimator(small_disk, config=LARGE).weights()
    size = sum(array.nbytes for array in weights.values())
    small_disks.fill(small_disk, left=100_000)
    prefix = small_disk / "model.ckpt-7"
    with pytest.raises(InputError) as caught:
        tf1.write(weights, prefix, 7)
    free = room.size(room.free_bytes(small_disk))
    text = f"the disk is full: needs {room.size(size)}, and {free} are free; "
    assert text in str(caught.value)
    assert [*small_disk.iterdir()] == [small_disk / "filler"]


def test_an_event_file_that_does_not_fit(small_disk, capsys):
    reporter = progress.Progress(1000, 4, small_disk / "tensorboard")
    small_disks.fill(small_disk)
    names = ("loss", "learning_rate", "gradient_norm")
    history = {name: np.ones(1000, np.float32) for name in names}
    assert program.run(lambda argv: reporter.report(history, 0, 1.0), []) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x[:7] == "error: "]
    assert line.startswith(f"error: {small_disk}/tensorboard/events.out.tfevents.")
    assert ": the disk is full: needs more than the " in line


# --- how dropout is drawn -------------------------------------------------------------


def test_a_training_draws_as_it_began(tmp_path):
    bits, said = states.drawing(None)
    path = Path(tf.train.Checkpoint(**said).write(str(tmp_path / "state")))
    resumed, said_again = states.drawing(path)
    assert resumed == bits == int(said_again["dropout_bits"]) == 8
    assert not states.is_earlier(path)
    state = tf.train.Checkpoint(step=tf.Variable(1))
    earlier = Path(state.write(str(tmp_path / "earlier")))
    assert states.drawing(earlier) == (32, {})
    assert states.is_earlier(earlier) and not states.is_earlier(None)


# --- crashes --------------------------------------------------------------------------

NO_MODEL = SimpleNamespace(variables=[], trainable_variables=[])


class Saver:
    """A training of one number: its state of a step is that step."""

    def __init__(self, folder, most=2):
        self.value = tf.Variable(0)
        state = tf.train.Checkpoint(value=self.value)
        self.manager = states.StateManager(state, folder, most, NO_MODEL)

    def save(self, *steps):
        for step in steps:
            self.value.assign(step)
            self.manager.save(step)
        return self


def value_of(prefix):
    """What a state holds, and the step of its name."""
    reader = tf.train.load_checkpoint(str(prefix))
    return int(reader.get_tensor("value/.ATTRIBUTES/VARIABLE_VALUE"))


def newest(folder):
    """The newest state, read anew: copies of one name may be of one instant."""
    states._damage_of.cache_clear()
    prefix = states.newest(folder)
    return None if prefix is None else (states.step_of(prefix), value_of(prefix))


@pytest.mark.parametrize(
    ("most", "before", "now", "allowed"),
    [
        # The first state of all.
        (2, [], [3], {None, (3, 3)}),
        (2, [3], [6], {(3, 3), (6, 6)}),
        # The oldest makes way.
        (2, [3, 6], [9], {(6, 6), (9, 9)}),
        (1, [3], [6], {(3, 3), (6, 6)}),
        # The same step again.
        (1, [3], [3], {(3, 3)}),
        (2, [3, 6], [6, 9], {(6, 6), (9, 9)}),
    ],
)
def test_after_a_crash_a_state_is_whole(
    tmp_path, monkeypatch, most, before, now, allowed
):
    folder = tmp_path / "training"
    folder.mkdir()
    saver = Saver(folder, most).save(*before)
    with crash_states.recording(folder, monkeypatch) as record:
        saver.save(*now)
    found, last = set(), set()
    for crashed in record.states(tmp_path / "crashed"):
        found.add(newest(crashed.folder))
        if crashed.is_after_all:
            last.add(newest(crashed.folder))
    assert found == allowed
    assert last == {(now[-1], now[-1])}


def test_a_step_saved_again(tmp_path):
    saver = Saver(tmp_path).save(3, 6, 6)
    assert saved(tmp_path) == ["ckpt-3", "ckpt-6.again"]
    assert newest(tmp_path) == (6, 6)
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-6.again")
    saver.save(9)
    assert saved(tmp_path) == ["ckpt-6.again", "ckpt-9"]


def saved(folder):
    return sorted(path.stem for path in folder.glob("*.index"))


# --- damaged states -------------------------------------------------------------------


def damage(path, kind, seed):
    data = bytearray(path.read_bytes())
    rng = random.Random(seed)
    place = rng.randrange(len(data))
    if kind == "truncated":
        del data[place:]
    elif kind == "gone":
        return path.unlink()
    else:
        data[place] ^= 1 << rng.randrange(8)
    return path.write_bytes(data)


@pytest.mark.parametrize("kind", ["truncated", "flipped", "gone"])
def test_the_state_before_is_taken(tmp_path, caplog, kind):
    """Whatever bit of the data is wrong; some of the index only fill it up."""
    Saver(tmp_path).save(3, 6)
    (data,) = tmp_path.glob("ckpt-6.data*")
    before = data.read_bytes()
    for seed in range(20):
        damage(data, kind, seed)
        assert newest(tmp_path) == (3, 3), seed
        data.write_bytes(before)
    assert newest(tmp_path) == (6, 6)
    assert f"{tmp_path}/ckpt-6: damaged state: " in caplog.text
    assert f"; using the state before, {tmp_path}/ckpt-3" in caplog.text
    index = tmp_path / "ckpt-6.index"
    before = index.read_bytes()
    for seed in range(20):
        damage(index, kind, seed)
        assert newest(tmp_path) in [(3, 3), (6, 6)]
        index.write_bytes(before)


def test_a_damaged_mark_costs_the_time_only(tmp_path):
    Saver(tmp_path).save(3, 6)
    (tmp_path / "ckpt-6.json").write_text("{")
    assert newest(tmp_path) == (6, 6)
    assert Saver(tmp_path).manager.useful.seconds == 0


def test_no_state_is_whole(tmp_path):
    Saver(tmp_path).save(3, 6)
    for data in tmp_path.glob("ckpt-*.data*"):
        damage(data, "truncated", 0)
    with pytest.raises(InputError, match=r"ckpt-6: damaged state: .*ckpt-3: damaged"):
        newest(tmp_path)


@pytest.mark.parametrize("reason", ["Permission denied", "Input/output error"])
def test_a_state_that_cannot_be_read_now(tmp_path, monkeypatch, reason):
    """It is not taken for a damaged one, which would be deleted."""

    def fail(path):
        raise tf.errors.UnknownError(None, None, f"{path}.index; {reason}")

    Saver(tmp_path).save(3, 6)
    states._damage_of.cache_clear()
    monkeypatch.setattr(tf.compat.v1.train, "NewCheckpointReader", fail)
    with pytest.raises(InputError, match=rf"ckpt-6: cannot be read: .*{reason}"):
        states.newest(tmp_path)


def test_states_of_an_earlier_version(tmp_path):
    """They have no marks; what was never finished is in no list."""
    Saver(tmp_path).save(3, 6)
    for mark in tmp_path.glob("ckpt-*.json"):
        mark.unlink()
    assert newest(tmp_path) == (6, 6)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ckpt-3"\n')
    assert newest(tmp_path) == (3, 3)
    assert Saver(tmp_path).manager.latest_checkpoint == str(tmp_path / "ckpt-3")
    assert saved(tmp_path) == ["ckpt-3"]


def test_a_damaged_state_replaces_no_whole_one(tmp_path):
    """The damaged one makes way first."""
    Saver(tmp_path).save(3, 6)
    damage(tmp_path / "ckpt-6.data-00000-of-00001", "truncated", 0)
    saver = Saver(tmp_path)
    assert saver.manager.latest_checkpoint == str(tmp_path / "ckpt-3")
    assert saved(tmp_path) == ["ckpt-3", "ckpt-6"]
    saver.save(6)
    assert saved(tmp_path) == ["ckpt-3", "ckpt-6"]
    assert newest(tmp_path) == (6, 6)


def test_a_training_goes_on_from_the_state_before(tmp_path, paths):
    whole = engine.estimator(tmp_path / "whole")
    engine.train(whole, paths)
    folder = tmp_path / "damaged"
    engine.train(engine.estimator(folder, max_steps=6), paths)
    assert saved_steps(folder) == [3, 6]
    damage(folder / "training" / "ckpt-6.data-00000-of-00001", "flipped", 1)
    again = engine.estimator(folder)
    assert again.restore() == 3
    assert engine.train(again, paths) == 7
    for name, array in whole.weights().items():
        assert np.array_equal(again.weights()[name], array), name


# --- useful time ----------------------------------------------------------------------


def test_the_share_of_useful_time(tmp_path, monkeypatch):
    """What was lost with a kill was not useful; neither was the time between."""
    clock = [1000.0]
    monkeypatch.setattr(useful_time.time, "time", lambda: clock[0])
    saver = Saver(tmp_path)
    saver.manager.useful.seconds += 10
    clock[0] += 20
    saver.save(3)
    wanted = {"useful_seconds": 10, "seconds_since_first_start": 20, "share": 0.5}
    assert states.goodput(tmp_path) == wanted
    saver.manager.useful.seconds += 30
    # Killed, and started again after a while.
    clock[0] += 80
    saver = Saver(tmp_path)
    saver.manager.useful.seconds += 15
    saver.save(6)
    wanted = {"useful_seconds": 25, "seconds_since_first_start": 100, "share": 0.25}
    assert states.goodput(tmp_path) == wanted


def test_nothing_is_said_of_the_time_of_an_earlier_version(tmp_path):
    Saver(tmp_path).save(3)
    (tmp_path / "ckpt-3.json").unlink()
    assert states.goodput(tmp_path) == states.goodput(tmp_path / "absent") == {}
