import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.pretraining import curves as learning_curves
from biobert_tf.pretraining.curves import LearningCurve

NAMES = (
    *("loss", "masked_lm_loss", "masked_lm_accuracy"),
    *("next_sentence_loss", "next_sentence_accuracy"),
    *("learning_rate", "gradient_norm"),
)


def history(first_step, num_steps):
    """Metric i of step s is s + i."""
    steps = np.arange(first_step, first_step + num_steps, dtype=np.float32)
    return {name: steps + index for index, name in enumerate(NAMES)}


def curve_of(folder, num_train_steps, *calls):
    """A curve that was told of calls of so many steps each."""
    curve = LearningCurve(folder, num_train_steps)
    step = 0
    for num_steps in calls:
        curve.add(history(step, num_steps), step)
        step += num_steps
    return curve


def test_a_short_training_has_a_row_per_step(tmp_path):
    rows = curve_of(tmp_path, 200, 2, 1).rows()
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert rows[1] == {"step": 2, **{name: 1 + i for i, name in enumerate(NAMES)}}


def test_means_over_windows(tmp_path):
    """800 steps are windows of four; the last is not full."""
    rows = curve_of(tmp_path, 800, 3, 6).rows()
    assert [row["step"] for row in rows] == [4, 8, 9]
    assert [row["loss"] for row in rows] == [1.5, 5.5, 8.0]
    assert [row["masked_lm_loss"] for row in rows] == [2.5, 6.5, 9.0]


@pytest.mark.parametrize(
    "num_train_steps, expected", [(1, 1), (200, 200), (201, 101), (9999, 200)]
)
def test_some_hundreds_of_rows_at_most(tmp_path, num_train_steps, expected):
    curve = LearningCurve(tmp_path, num_train_steps)
    curve.add(history(0, num_train_steps), 0)
    assert len(curve.rows()) == expected
    assert curve.rows()[-1]["step"] == num_train_steps


def test_cut_into_other_calls_it_is_the_same(tmp_path):
    whole = curve_of(tmp_path, 1000, 23)
    assert curve_of(tmp_path, 1000, 1, 9, 2, 11).rows() == whole.rows()


def test_saved_with_the_state(tmp_path):
    """Killed after step 7, resumed from the state of step 5: nothing is double."""
    curve = curve_of(tmp_path, 1000, 5)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(recorder=curve), str(tmp_path / "states"), max_to_keep=1
    )
    manager.save()
    curve.add(history(5, 2), 5)

    resumed = LearningCurve(tmp_path, 1000)
    state = tf.train.Checkpoint(recorder=resumed)
    state.restore(manager.latest_checkpoint).assert_consumed()
    resumed.add(history(5, 8), 5)
    assert resumed.rows() == curve_of(tmp_path, 1000, 13).rows()


def test_a_longer_schedule_keeps_the_windows(tmp_path):
    short, longer = LearningCurve(tmp_path, 400), LearningCurve(tmp_path, 1000)
    short.add(history(0, 3), 0)
    longer.deserialize(short.serialize())
    longer.add(history(3, 2), 3)
    whole = LearningCurve(tmp_path, 400)
    whole.add(history(0, 5), 0)
    assert [row["step"] for row in longer.rows()] == [2, 4, 5]
    assert longer.rows() == whole.rows()


def test_the_state_of_an_earlier_version(tmp_path):
    curve = LearningCurve(tmp_path, 400)
    curve.deserialize(json.dumps([{"steps": 2, "loss": 6.0}]))
    assert curve.rows() == [{"step": 2, "loss": 3.0}]


def test_a_value_that_an_earlier_version_did_not_report(tmp_path):
    curve = curve_of(tmp_path, 800, 3)
    curve.add({**history(3, 1), "loss_scale": np.array([8.0])}, 3)
    assert [row["loss_scale"] for row in curve.rows()] == [2.0]


def test_table(tmp_path):
    curve_of(tmp_path, 10, 2).write(is_over=True)
    text = (tmp_path / learning_curves.CSV_FILE).read_text().splitlines()
    assert text == [
        f"kind,step,{','.join(NAMES)}",
        "train,1,0.0,1.0,2.0,3.0,4.0,5.0,6.0",
        "train,2,1.0,2.0,3.0,4.0,5.0,6.0,7.0",
    ]
    rows = curve_of(tmp_path, 10, 2).rows()
    assert learning_curves.read(tmp_path / learning_curves.CSV_FILE) == (rows, [])


def scores(loss):
    return {name: loss for name in NAMES[:5]}


def test_evaluations_stay(tmp_path):
    """Before, between and after trainings; the newest of a step counts."""
    path = tmp_path / learning_curves.CSV_FILE
    learning_curves.add_evaluation(tmp_path, 0, scores(9.0))
    curve_of(tmp_path, 10, 2).write(is_over=True)
    learning_curves.add_evaluation(tmp_path, 2, scores(8.0))
    learning_curves.add_evaluation(tmp_path, 2, scores(7.0))
    curve_of(tmp_path, 10, 4).write(is_over=True)
    training, evaluations = learning_curves.read(path)
    assert training == curve_of(tmp_path, 10, 4).rows()
    assert evaluations == [
        {"step": 0, **scores(9.0)},
        {"step": 2, **scores(7.0)},
    ]
    with path.open() as lines:
        kinds = [row["kind"] for row in csv.DictReader(lines)]
    assert kinds == ["train"] * 4 + ["eval"] * 2


def test_drawn_when_the_training_is_over(tmp_path):
    curve = curve_of(tmp_path, 10, 2)
    curve.write(is_over=False)
    assert learning_curves.read(tmp_path / learning_curves.CSV_FILE)[0] == curve.rows()
    assert not (tmp_path / learning_curves.PNG_FILE).exists()
    curve.write(is_over=True)
    assert (tmp_path / learning_curves.PNG_FILE).exists()


def test_nothing_to_read(tmp_path):
    assert learning_curves.read(tmp_path / "absent.csv") == ([], [])


def drawn(tmp_path, monkeypatch):
    """The figure that is drawn."""
    from matplotlib.figure import Figure

    figures = []
    savefig = Figure.savefig

    def keep(figure, *args, **settings):
        figures.append(figure)
        return savefig(figure, *args, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    curve_of(tmp_path, 10, 3).write(is_over=True)
    learning_curves.add_evaluation(tmp_path, 3, {n: 0.5 for n in NAMES[:5]})
    return figures[-1]


def test_picture(tmp_path, monkeypatch):
    figure = drawn(tmp_path, monkeypatch)
    data = (tmp_path / learning_curves.PNG_FILE).read_bytes()
    assert data.startswith(b"\x89PNG")
    losses, accuracies = figure.axes
    assert losses.get_ylabel() == "loss (nats)"
    assert accuracies.get_ylabel() == "accuracy (%)"
    assert {axes.get_xlabel() for axes in figure.axes} == {"training steps"}
    lines = {line.get_label(): line.get_xydata().tolist() for line in losses.lines}
    assert lines == {
        "masked LM, training": [[1, 1], [2, 2], [3, 3]],
        "masked LM, evaluation": [[3, 0.5]],
        "next sentence, training": [[1, 3], [2, 4], [3, 5]],
        "next sentence, evaluation": [[3, 0.5]],
    }
    points = {line.get_label(): line.get_xydata().tolist() for line in accuracies.lines}
    assert points["masked LM, evaluation"] == [[3, 50]]
    assert points["next sentence, training"] == [[1, 400], [2, 500], [3, 600]]
    assert set(lines) == set(points)
    looks = {(line.get_color(), line.get_linestyle()) for line in losses.lines}
    assert len(looks) == 4
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == list(lines)
