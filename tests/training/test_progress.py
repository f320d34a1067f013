import gc
import logging
import os
import sys
from pathlib import Path

import engine
import numpy as np
import pytest
import terminal
import tqdm

from biobert_tf.common.errors import TrainingDivergedError
from biobert_tf.training import progress

ROOT = Path(__file__).parents[2]


def history(loss, gradient_norm=None, **more):
    loss = np.array(loss, np.float32)
    norm = np.ones_like(loss) if gradient_norm is None else np.array(gradient_norm)
    rates = np.linspace(1e-4, 2e-4, len(loss)).astype(np.float32)
    more = {name: np.array(values) for name, values in more.items()}
    return {"loss": loss, "learning_rate": rates, "gradient_norm": norm, **more}


# --- divergence -----------------------------------------------------------------------


def test_finite_history_passes():
    progress.check_finite(history([1.0, 2.0]), 10)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_loss_that_is_not_finite(value):
    with pytest.raises(
        TrainingDivergedError, match=f"^the loss is {value} at step 11: so it is; "
    ):
        progress.check_finite(history([1.0, value, 1.0]), 10, why=lambda: "so it is")


def test_gradient_that_is_not_finite():
    bad = history([1.0, 1.0, np.nan], [1.0, np.inf, np.nan])
    with pytest.raises(TrainingDivergedError, match="gradient norm is inf at step 4:"):
        progress.check_finite(bad, 3)


def test_steps_that_the_optimizer_skips():
    """As long as a smaller scale of the loss is left; a bad loss has no scale."""
    norms, scales = [np.nan, np.inf, 1.0, np.inf], [4.0, 2.0, 1.0, 1.0]
    rows = {"loss": [1.0] * 4, "gradient_norm": norms, "loss_scale": scales}
    good = history(**{name: values[:3] for name, values in rows.items()})
    progress.check_finite(good, 3)
    assert progress.num_skipped(good) == 2
    assert progress.num_skipped(history([1.0])) == 0
    with pytest.raises(TrainingDivergedError, match="gradient norm is inf at step 6:"):
        progress.check_finite(history(**rows), 3)
    bad = history(**{**rows, "loss": [1.0, np.nan, 1.0, 1.0]})
    with pytest.raises(TrainingDivergedError, match="the loss is nan at step 4:"):
        progress.check_finite(bad, 3)


# --- reports --------------------------------------------------------------------------


class Clock:
    """A clock that shows what it is told to."""

    def __init__(self, now):
        self.now = now

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock(now=100.0)
    monkeypatch.setattr(tqdm.std, "time", made.monotonic)
    return made


def test_the_time_left_is_that_to_the_last_step_of_this_session(
    tmp_path, clock, caplog
):
    """The first call is compiled too: it does not count, nor what was done before."""
    reporter = progress.Progress(100, 32, tmp_path)
    with caplog.at_level(logging.INFO, "biobert_tf"):
        clock.now += 50
        reporter.report(history([4.0]), 39, 50.0)
        clock.now += 2
        reporter.report(history([4.0, 2.0, 3.0, 1.0]), 40, 2.0)
        assert caplog.messages == []
        # Half of the time was an evaluation: it counts for the time that is left.
        clock.now += 8
        reporter.report(history([1.0] * 16), 44, 4.0)
        reporter.close()
    assert caplog.messages == [
        "training: 60/100 steps, 2.00 steps/s, loss 1.0000, lr 2.00e-04, "
        "128.0 examples/s, 00:20 left"
    ]


BAR = """
import logging, pathlib, sys, time
import numpy as np
from biobert_tf.common import clock, screen
from biobert_tf.training import progress
clock._SECONDS_WITHOUT_BAR = 0
row = {name: np.ones(1) for name in ("loss", "learning_rate")}
with screen.shown(logging.INFO):
    reporter = progress.Progress(12345, 32, pathlib.Path(sys.argv[1]))
    for step in range(10000, 10003):
        reporter.report(row, step, 0.1)
        time.sleep(0.2)
    reporter.close()
"""


def test_a_bar_has_room(tmp_path):
    command = [sys.executable, "-c", BAR, str(tmp_path)]
    written, status = terminal.run(command, PYTHONPATH=str(ROOT))
    assert status == 0, written
    bar = terminal.screen(written)[-1]
    assert len(bar) <= 100
    assert bar.endswith("steps/s, loss 1.0000, lr 1.00e+00]")
    assert len(bar.split("|")[1]) >= 10


def test_scalars_of_every_step(tmp_path):
    reporter = progress.Progress(100, 32, tmp_path / "tensorboard")
    reporter.report(history([4.0, 2.0], [0.5, 0.25]), 6, 1.0)
    reporter.report(history([3.0], [1.5]), 8, 4.0)
    scalars = engine.read_scalars(tmp_path / "tensorboard")
    assert scalars == {
        "train/loss": [(6, 4.0), (7, 2.0), (8, 3.0)],
        "train/learning_rate": [
            (6, pytest.approx(1e-4)),
            (7, pytest.approx(2e-4)),
            (8, pytest.approx(1e-4)),
        ],
        "train/gradient_norm": [(6, 0.5), (7, 0.25), (8, 1.5)],
        "train/steps_per_second": [(7, 2.0), (8, 0.25)],
    }


def test_a_long_training_writes_the_scalars_of_some_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_MOST_EVENTS", 4)
    reporter = progress.Progress(10, 32, tmp_path / "tensorboard")
    reporter.report(history([9.0]), 0, 1.0)
    reporter.report(history([8.0, 7.0]), 1, 1.0)
    reporter.report(history([6.0, 5.0, 4.0, 3.0]), 3, 2.0)
    reporter.report(history([2.0, 1.0, 0.0]), 7, 2.0)
    assert engine.read_scalars(tmp_path / "tensorboard") == {
        "train/loss": [(0, 9.0), (3, 6.0), (6, 3.0), (9, 0.0)],
        "train/learning_rate": [
            (step, pytest.approx(rate))
            for step, rate in ((0, 1e-4), (3, 1e-4), (6, 2e-4), (9, 2e-4))
        ],
        "train/gradient_norm": [(0, 1.0), (3, 1.0), (6, 1.0), (9, 1.0)],
        # Calls without such a step write nothing.
        "train/steps_per_second": [(0, 1.0), (6, 2.0), (9, 1.5)],
    }


def test_events_of_a_week_are_megabytes(tmp_path):
    """A million steps take no more than 50,000."""
    assert progress.Progress(1_000_000, 32, tmp_path)._steps_per_event == 20
    assert progress.Progress(50_000, 32, tmp_path)._steps_per_event == 1
    assert progress.Progress(0, 32, tmp_path)._steps_per_event == 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc")
def test_a_report_that_is_closed_holds_no_file(tmp_path):
    held = len(os.listdir("/proc/self/fd"))
    for number in range(5):
        reporter = progress.Progress(10, 32, tmp_path / str(number))
        reporter.report(history([9.0]), 0, 1.0)
        reporter.close()
    assert len(os.listdir("/proc/self/fd")) == held


def test_reports_keep_nothing_of_a_step(tmp_path):
    reporter = progress.Progress(10_000, 32, tmp_path)
    rows = history([1.0] * 500)
    reporter.report(rows, 0, 1.0)
    gc.collect()
    before = sys.getallocatedblocks()
    for call in range(1, 5):
        reporter.report(rows, 500 * call, 1.0)
    gc.collect()
    # Of each of the 2,000 steps a tensor and its number were kept.
    assert sys.getallocatedblocks() - before < 500
