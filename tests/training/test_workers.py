"""Several workers: two processes that are one cluster.

All of it is one run of `multi_worker.py`, because a process takes long to start. Beside
it this process trains alone.
"""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import engine
import numpy as np
import pytest

from biobert_tf.training import records
from biobert_tf.training import strategy as strategies

TESTS = Path(__file__).parents[1]
# Two and a half epochs of the seven steps of four.
NUM_ROWS = 11
# Enough for a machine with other work; a worker is missed after ten seconds.
TIMEOUT = 1200
ADVICE = (
    "start the same command again on every worker: a training goes on from its last "
    "state"
)


@pytest.fixture(autouse=True)
def repeatable():
    """As every run of the scripts."""
    strategies.make_repeatable()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return engine.write_rows(tmp_path_factory.mktemp("data") / "x", NUM_ROWS)


def estimator(folder, **run):
    """What trains as a worker does, but without dropout."""
    config = engine.without_dropout()
    return engine.estimator(folder, config=config, pack_sequences="off", **run)


@dataclasses.dataclass(frozen=True)
class Ended:
    """The folder of two clusters that have ended, see `multi_worker`, and one's own.

    In `alone` one process has trained. `at_5` has its weights of step 5, and its
    predictions with them.
    """

    folder: Path
    alone: Path
    at_5: Mapping[str, np.ndarray]

    def told(self, name):
        """What a worker said beside its log: errors, and what is no line of ours."""
        lines = (self.folder / f"{name}.log").read_text().splitlines()
        ours = ("I ", "W ", "stopping: ")
        return [line for line in lines if not line.startswith(ours)]

    def results(self, name):
        return dict(np.load(self.folder / f"{name}.npz"))

    def statuses(self, cluster):
        return json.loads((self.folder / "statuses.json").read_text())[cluster]


@pytest.fixture(scope="module")
def ended(tmp_path_factory, paths):
    alone, folder = (tmp_path_factory.mktemp(name) for name in ("alone", "clusters"))
    assert engine.train(estimator(alone, max_steps=2), paths) == 2
    shutil.copytree(alone / "training", folder / "resumed" / "training")
    process = subprocess.Popen(
        [sys.executable, TESTS / "multi_worker.py", paths[0], folder],
        env={
            **os.environ,
            "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        made = estimator(alone, save_checkpoints_steps=5)
        assert engine.train(made, paths) == 7
        at_5 = after_five_steps(alone, paths)
        output, _ = process.communicate(timeout=TIMEOUT)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, output[-3000:]
    return Ended(folder, alone, at_5)


def after_five_steps(folder, paths):
    """The weights of a state of step 5, and what is predicted with them."""
    earlier = folder.with_name("earlier")
    shutil.copytree(folder, earlier, ignore=shutil.ignore_patterns("ckpt-7*"))
    made = estimator(earlier)
    assert made.restore() == 5
    predicted = made.predict(records.rows(paths, engine.TASK.specs), batch_size=4)
    return made.weights() | {f"predicted:{k}": v for k, v in predicted.items()}


def saved_steps(folder):
    """The steps of states, each of which is whole."""
    marks = (path.stem for path in folder.glob("training/ckpt-*.json"))
    found = sorted(int(mark.removeprefix("ckpt-")) for mark in marks)
    kinds = {path.name.split(".")[0] for path in (folder / "training").iterdir()}
    assert kinds == {"checkpoint", "started", *(f"ckpt-{step}" for step in found)}
    return found


# --- a worker is gone -----------------------------------------------------------------


def test_the_others_stop_when_one_is_killed(ended):
    """With one line and a status of its own."""
    assert ended.statuses("killed") == [4, -signal.SIGKILL]
    (line,) = ended.told("killed-0")
    assert line.startswith("error: worker 1 (127.0.0.1:")
    assert line.endswith(f") does not answer any more; {ADVICE}")
    assert ended.told("killed-1") == []


def test_the_same_command_resumes_exactly(ended):
    """With dropout: the weights are those of a training that was not disturbed."""
    whole, *others = (
        ended.results(f"{name}-{worker}")
        for name in ("whole", "restarted")
        for worker in (0, 1)
    )
    assert whole["step"] == 7
    for other in others:
        assert sorted(other) == sorted(whole)
        for name, array in whole.items():
            assert array.tobytes() == other[name].tobytes(), name
    for name in ("whole", "restarted"):
        assert saved_steps(ended.folder / name) == [3, 6, 7]


def test_an_error_of_one_worker_ends_all(ended):
    """With the same status and the same words: here of a file that the chief reads."""
    assert ended.statuses("bad_input") == [2, 2]
    (line,) = ended.told("bad_input-0")
    wrong = line.removeprefix("error: ")
    assert wrong.startswith(f"{ended.folder / 'damaged'}: truncated or damaged after ")
    (line,) = ended.told("bad_input-1")
    assert line.startswith("error: worker 0 (127.0.0.1:")
    assert line.endswith(f") has ended: {wrong}")


# --- another number of workers --------------------------------------------------------


def test_two_workers_go_on_after_one(ended):
    """Without dropout. Both know the result, one writes it.

    Both stop when one of them gets a signal, with its status. The chief says how long a
    call is: 1 step at first, 2 then.
    """
    for worker in (0, 1):
        found = ended.results(f"resumed-{worker}")
        assert found.pop("is_chief") == (worker == 0)
        assert found.pop("status") == 128 + signal.SIGTERM
        place = ended.folder / "resumed" / "training"
        place = place if worker == 0 else "the first worker's output"
        start = f"after step 5 of 7; the state is in {place};"
        assert str(found.pop("said")).startswith(start)
        assert found.pop("calls").tolist() == [1, 2]
        check_close(found, ended.at_5)
    assert not list((ended.folder / "temporary-bad_input-1").iterdir())


def test_one_worker_goes_on_after_two(ended, paths):
    """Two steps by one worker, three by two, and two by one again."""
    folder = ended.folder / "resumed"
    made, alone = estimator(folder), estimator(ended.alone)
    assert engine.train(made, paths) == alone.restore() == 7
    check_close(made.weights(), alone.weights())
    assert saved_steps(folder) == [2, 3, 5, 6, 7]
    assert sorted(each.name for each in folder.iterdir()) == ["tensorboard", "training"]
    scalars, wanted = (
        engine.read_scalars(each / "tensorboard") for each in (folder, ended.alone)
    )
    for name in ("loss", "learning_rate", "gradient_norm"):
        found, expected = (dict(each[f"train/{name}"]) for each in (scalars, wanted))
        assert sorted(found) == [2, 3, 4, 5, 6]
        for step, value in found.items():
            assert value == pytest.approx(expected[step], rel=1e-5, abs=1e-6), name


def check_close(found, expected):
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(
            found[name], array, rtol=1e-5, atol=1e-5, err_msg=name
        )
