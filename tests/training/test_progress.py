import logging

import engine
import numpy as np
import pytest
import tqdm

from biobert_tf.common.errors import TrainingDivergedError
from biobert_tf.training import progress


def history(loss, gradient_norm=None):
    loss = np.array(loss, np.float32)
    norm = np.ones_like(loss) if gradient_norm is None else np.array(gradient_norm)
    rates = np.linspace(1e-4, 2e-4, len(loss)).astype(np.float32)
    return {"loss": loss, "learning_rate": rates, "gradient_norm": norm}


# --- divergence -----------------------------------------------------------------------


def test_finite_history_passes():
    progress.check_finite(history([1.0, 2.0]), 10)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_loss_that_is_not_finite(value):
    with pytest.raises(TrainingDivergedError, match=f"the loss is {value} at step 11;"):
        progress.check_finite(history([1.0, value, 1.0]), 10)


def test_gradient_that_is_not_finite():
    bad = history([1.0, 1.0, np.nan], [1.0, np.inf, np.nan])
    with pytest.raises(TrainingDivergedError, match="gradient norm is inf at step 4;"):
        progress.check_finite(bad, 3)


def test_steps_that_the_optimizer_skips():
    progress.check_finite(history([1.0, 1.0], [1.0, np.inf]), 3, skips_steps=True)
    bad = history([1.0, np.nan], [np.inf, np.inf])
    with pytest.raises(TrainingDivergedError, match="the loss is nan at step 4;"):
        progress.check_finite(bad, 3, skips_steps=True)


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
    monkeypatch.setattr(progress, "time", made)
    return made


def test_the_time_left_is_that_to_the_last_step_of_this_session(
    tmp_path, clock, caplog, monkeypatch
):
    """The first call is compiled too: it does not count, nor what was done before."""
    monkeypatch.setattr(tqdm.std, "time", clock.monotonic)
    reporter = progress.Progress(100, 32, tmp_path)
    with caplog.at_level(logging.INFO, "biobert_tf"):
        clock.now += 50
        reporter.report(history([4.0]), 39)
        clock.now += 2
        reporter.report(history([4.0, 2.0, 3.0, 1.0]), 40)
        assert caplog.messages == []
        clock.now += 8
        reporter.report(history([1.0] * 16), 44)
        reporter.close()
    assert caplog.messages == [
        "training: 60/100 steps, 2.00 steps/s, 64.0 examples/s, loss 1.0000, "
        "lr 2.00e-04, 00:20 left"
    ]


def test_scalars_of_every_step(tmp_path, clock):
    reporter = progress.Progress(100, 32, tmp_path / "tensorboard")
    clock.now += 1
    reporter.report(history([4.0, 2.0], [0.5, 0.25]), 6)
    clock.now += 4
    reporter.report(history([3.0], [1.5]), 8)
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
